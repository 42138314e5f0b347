// @platformatic/kafka: a client that speaks only recent versions of every message. Its streams need groups, so what it
// wrote is read with its plain fetch.
import assert from 'node:assert/strict'
import zlib from 'node:zlib'
import { Admin, Consumer, Producer, stringSerializers } from '@platformatic/kafka'
import { broker, failure, run, topic } from './cases.mjs'

const base = { clientId: 'tests', bootstrapBrokers: [broker], retries: 2, retryDelay: 50 }
const admin = new Admin(base)
const consumer = new Consumer({ ...base, groupId: 'none' })

async function create(name, partitions = 1, configs = []) {
  const [created] = await admin.createTopics({ topics: [topic(name)], partitions, replicas: 1, configs })
  assert.equal(created.partitions, partitions)
  return topic(name)
}

async function produce(name, messages, settings = {}) {
  const producer = new Producer({ ...base, serializers: stringSerializers, ...settings })
  const { offsets } = await producer.send({ messages: messages.map(each => ({ topic: name, ...each })) })
  await producer.close()
  return offsets
}

// All records of partition 0 from an offset on; they must not be compressed.
async function fetch(name, offset = 0n, maxWaitTime = 100) {
  const { topics, brokers } = await consumer.metadata({ topics: [name], forceUpdate: true })
  const partitions = [{ partition: 0, fetchOffset: offset, currentLeaderEpoch: -1, lastFetchedEpoch: -1,
    partitionMaxBytes: 1 << 20 }]
  const node = topics.get(name).partitions[0].leader
  assert.ok(brokers.has(node))
  const answer = await consumer.fetch({ node, maxWaitTime, minBytes: 1, maxBytes: 1 << 22,
    topics: [{ topicId: topics.get(name).id, partitions }] })
  const part = answer.responses[0].partitions[0]
  assert.equal(part.errorCode, 0)
  return [part.records ?? []].flat().flatMap(batch => batch.records)
}

async function end(name, timestamp = -1n) {
  return (await consumer.listOffsets({ topics: [name], timestamp })).get(name)
}

const values = count => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `value ${i} `.repeat(10) }))

await run({
  async roundTrip() {
    const name = await create('round')
    const [told] = await produce(name, values(100))
    assert.equal(told.offset, 0n)
    const records = await fetch(name)
    assert.deepEqual(records.map(each => each.value.toString()), values(100).map(each => each.value))
    assert.deepEqual(records.map(each => each.key.toString()), values(100).map(each => each.key))
  },

  async compression() {
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', ...(zlib.zstdCompressSync ? ['zstd'] : [])]) {
      const name = await create(compression)
      await produce(name, values(100), { compression })
      assert.deepEqual(await end(name), [100n], compression)
      // The client decompresses, and would complain.
      assert.equal((await fetch(name)).length, 100, compression)
    }
  },

  async fields() {
    const name = await create('fields')
    const headers = { h: '1', e: '' }
    await produce(name, [{ key: 'a', value: 'b', headers }, { value: 'no key' }, { key: 'k', value: '' }])
    const [first, second, third] = await fetch(name)
    assert.deepEqual(first.headers.map(([key, value]) => [String(key), String(value)]), [['h', '1'], ['e', '']])
    assert.equal(String(second.value), 'no key')
    assert.equal(String(third.value), '')
  },

  async idempotent() {
    const name = await create('idempotent')
    const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true })
    for (let i = 0; i < 20; i++) {
      await producer.send({ messages: values(10).map(each => ({ topic: name, partition: 0, ...each })) })
    }
    await producer.close()
    assert.deepEqual(await end(name), [200n])
  },

  async acks() {
    for (const acks of [0, 1, -1]) {
      const name = await create(`acks.${acks}`)
      await produce(name, values(5))
      await produce(name, values(5), { acks })
      while (acks === 0 && (await end(name))[0] < 10n); // nothing says when it has arrived
      assert.deepEqual(await end(name), [10n])
    }
  },

  async longPoll() {
    const name = await create('poll')
    const begin = Date.now()
    const waiting = fetch(name, 0n, 5000)
    await produce(name, [{ value: 'at last' }])
    const [record] = await waiting
    assert.equal(String(record.value), 'at last')
    assert.ok(Date.now() - begin < 4000)
  },

  async offsetsByTime() {
    const name = await create('times')
    const begin = BigInt(Date.now() - 1000000)
    for (let i = 0n; i < 5n; i++) await produce(name, [{ value: 'x', timestamp: begin + i * 1000n }])
    assert.deepEqual(await end(name, begin + 1500n), [2n])
    assert.deepEqual(await end(name, -2n), [0n])
    assert.deepEqual(await end(name, -1n), [5n])
  },

  async topics() {
    const name = await create('administered', 2)
    while (!(await admin.listTopics()).includes(name)); // Apache Kafka answers before the metadata is everywhere
    await failure(() => admin.createTopics({ topics: [name], partitions: 1, replicas: 1 }))
    const [node] = (await admin.metadata({})).brokers.keys()
    const assignments = Array.from({ length: 3 }, () => ({ brokerIds: [node] }))
    await admin.createPartitions({ topics: [{ name, count: 5, assignments }] })
    const { topics, id } = await admin.metadata({ topics: [name], forceUpdate: true })
    assert.equal(Object.keys(topics.get(name).partitions).length, 5)
    assert.ok(id)
    await admin.deleteTopics({ topics: [name] })
    while ((await admin.listTopics()).includes(name));
  },

  async configs() {
    const name = await create('configured', 1, [{ name: 'retention.ms', value: '7000000' }])
    const value = async key => {
      const [described] = await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: name }] })
      return described.configs.find(each => each.name === key).value
    }
    assert.equal(await value('retention.ms'), '7000000')
    const configs = [{ name: 'segment.bytes', configOperation: 0, value: '3000000' }]
    await admin.incrementalAlterConfigs({ resources: [{ resourceType: 2, resourceName: name, configs }] })
    assert.equal(await value('segment.bytes'), '3000000')
    assert.equal(await value('retention.ms'), '7000000')
  },

  async deleteRecords() {
    const name = await create('trimmed')
    await produce(name, values(20))
    await admin.deleteRecords({ topics: [{ name, partitions: [{ partition: 0, offset: 15n }] }] })
    assert.deepEqual(await end(name, -2n), [15n])
  },

  async logDirs() {
    const name = await create('stored', 2)
    await produce(name, values(10).map(each => ({ ...each, partition: 1 })))
    const [described] = await admin.describeLogDirs({ topics: [{ name, partitions: [0, 1] }] })
    const { partitions } = described.results[0].topics[0]
    assert.ok(partitions.find(each => each.partitionIndex === 1).partitionSize > 0n)
  },
})
