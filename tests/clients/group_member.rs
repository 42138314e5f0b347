// group_member.rs -- a member of a consumer group that is written in Rust (rdkafka): it speaks as group_member.py does.
//
//     group_member ADDRESSES GROUP TOPIC SETTINGS
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::{ClientConfig, ClientContext, Message, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::Duration;

static ENDED: AtomicBool = AtomicBool::new(false);
const SIGTERM: i32 = 15;

extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
}

extern "C" fn end(_: i32) {
    ENDED.store(true, Ordering::Relaxed);
}

struct Told(Mutex<BTreeSet<i32>>);

impl Told {
    fn tell(&self, list: &TopicPartitionList, gained: bool) {
        let mut mine = self.0.lock().unwrap();
        for each in list.elements() {
            if gained {
                mine.insert(each.partition());
            } else {
                mine.remove(&each.partition());
            }
        }
        println!("assigned {:?}", mine.iter().collect::<Vec<_>>());
    }
}

impl ClientContext for Told {}

impl ConsumerContext for Told {
    fn pre_rebalance(&self, rebalance: &Rebalance) {
        match rebalance {
            Rebalance::Assign(list) => self.tell(list, true),
            Rebalance::Revoke(list) => self.tell(list, false),
            Rebalance::Error(error) => println!("error {}", error),
        }
    }
}

/// A flat object of strings, as the suite writes them: {"a": "b", ...}
fn settings(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    words.chunks(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect()
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &words[1]).set("group.id", &words[2]).set("auto.offset.reset", "earliest");
    config.set("enable.auto.commit", "false").set("log_level", "0");
    config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "500");
    for (name, value) in settings(&words[4]) {
        config.set(&name, &value);
    }
    unsafe { signal(SIGTERM, end) };
    let consumer: BaseConsumer<Told> = config.create_with_context(Told(Mutex::new(BTreeSet::new()))).unwrap();
    consumer.subscribe(&[&words[3]]).unwrap();
    while !ENDED.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => println!("read {}", String::from_utf8_lossy(message.payload().unwrap_or(b""))),
            Some(Err(error)) => println!("error {}", error),
            None => {}
        }
        let _ = consumer.commit_consumer_state(CommitMode::Async); // there may be nothing to commit
    }
    consumer.unsubscribe();
}
