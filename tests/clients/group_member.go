// group_member.go -- a member of a consumer group that is written in Go (franz-go): it speaks as group_member.py does.
//
//	group_member ADDRESSES GROUP TOPIC SETTINGS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	mutex sync.Mutex
	mine  = map[int32]bool{}
)

func tell(change func(int32), topics map[string][]int32) {
	mutex.Lock()
	defer mutex.Unlock()
	for _, partitions := range topics {
		for _, partition := range partitions {
			change(partition)
		}
	}
	list := []int{}
	for partition := range mine {
		list = append(list, int(partition))
	}
	sort.Ints(list)
	text, _ := json.Marshal(list)
	fmt.Printf("assigned %s\n", text)
}

func gained(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	tell(func(partition int32) { mine[partition] = true }, topics)
}

func lost(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	tell(func(partition int32) { delete(mine, partition) }, topics)
}

func client(addresses, group, topic string, settings map[string]string) *kgo.Client {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(addresses, ",")...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(gained), kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost),
	}
	if strategy := settings["partition.assignment.strategy"]; strategy == "cooperative-sticky" {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	} else {
		options = append(options, kgo.Balancers(kgo.RangeBalancer()))
	}
	if name := settings["group.instance.id"]; name != "" {
		options = append(options, kgo.InstanceID(name))
	}
	made, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	return made
}

func main() {
	settings := map[string]string{}
	if err := json.Unmarshal([]byte(os.Args[4]), &settings); err != nil {
		panic(err)
	}
	consumer := client(os.Args[1], os.Args[2], os.Args[3], settings)
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ended.Err() == nil {
		turn, over := context.WithTimeout(ended, 200*time.Millisecond)
		fetches := consumer.PollFetches(turn)
		over()
		fetches.EachRecord(func(record *kgo.Record) { fmt.Printf("read %s\n", record.Value) })
		if err := consumer.CommitUncommittedOffsets(ended); err != nil {
			fmt.Printf("error %s\n", err)
		}
	}
	consumer.Close()
}
