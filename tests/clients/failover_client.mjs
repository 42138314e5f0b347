// A producer and a consumer that know nothing of the brokers that die meanwhile: see failover_client.py, which says the
// same in the same words. Its streams need groups, so what it wrote is read with its plain fetch.
import { Consumer, Producer, stringSerializers } from '@platformatic/kafka'

const [, , bootstrap, topic] = process.argv
const base = { clientId: 'failover', bootstrapBrokers: bootstrap.split(','), retries: 200, retryDelay: 50,
  connectTimeout: 2000, requestTimeout: 10000, timeout: 5000 }
const acked = new Set()
let over = false
process.stdin.on('data', () => {})
process.stdin.on('end', () => { over = true })

function say(word, what) {
  console.log(word, what)
}

async function write() {
  const producer = new Producer({ ...base, serializers: stringSerializers, acks: -1 })
  for (let number = 0; !over; number += 10) {
    const numbers = Array.from({ length: 10 }, (_, i) => number + i)
    try {
      await producer.send({ acks: -1, messages: numbers.map(each => ({ topic, value: String(each) })) })
      numbers.forEach(each => acked.add(each))
      say('acked', acked.size)
    } catch (error) {
      say('retried', String(error?.errors?.[0]?.message ?? error?.message ?? error).slice(0, 200))
      await new Promise(resolve => setTimeout(resolve, 100)) // what was not acknowledged is not counted
    }
  }
  await producer.close()
}

async function fetch(consumer, partition, there) {
  for (let offset = 0n, end = -1n; end < 0n || offset < end;) {
    const { topics } = await consumer.metadata({ topics: [topic], forceUpdate: true })
    end = (await consumer.listOffsets({ topics: [topic], timestamp: -1n })).get(topic)[partition]
    const partitions = [{ partition, fetchOffset: offset, currentLeaderEpoch: -1, lastFetchedEpoch: -1,
      partitionMaxBytes: 1 << 20 }]
    const answer = await consumer.fetch({ node: topics.get(topic).partitions[partition].leader, maxWaitTime: 100,
      minBytes: 1, maxBytes: 1 << 22, topics: [{ topicId: topics.get(topic).id, partitions }] })
    for (const batch of [answer.responses[0].partitions[0].records ?? []].flat()) {
      batch.records.forEach(record => there.add(Number(record.value.toString())))
      offset = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
    }
  }
}

await write()
const consumer = new Consumer({ ...base, groupId: 'none' })
const there = new Set()
for (let partition = 0; partition < 3; partition++) await fetch(consumer, partition, there)
say('read', [...acked].filter(each => there.has(each)).length)
process.exit(0)
