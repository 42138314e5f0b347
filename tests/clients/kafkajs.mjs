// kafkajs: produces, administers, and consumes, which it does through groups only.
import assert from 'node:assert/strict'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { broker, failure, run, topic } from './cases.mjs'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = snappy
const retry = { retries: 2, initialRetryTime: 50 }
const kafka = new Kafka({ clientId: 'tests', brokers: [broker], logLevel: logLevel.NOTHING, retry })
const admin = kafka.admin()

async function create(name, numPartitions = 1, configEntries = []) {
  await admin.createTopics({ topics: [{ topic: topic(name), numPartitions, configEntries }] })
  return topic(name)
}

async function produce(name, messages, settings = {}, sending = {}) {
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, ...settings })
  await producer.connect()
  const told = await producer.send({ topic: name, messages, ...sending })
  await producer.disconnect()
  return told
}

async function end(name) {
  return (await admin.fetchTopicOffsets(name)).map(each => Number(each.high)).reduce((sum, high) => sum + high, 0)
}

const values = count => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `value ${i} `.repeat(10) }))

await admin.connect()
await run({
  async compression() {
    for (const codec of ['None', 'GZIP', 'Snappy']) {
      const name = await create(codec)
      const [told] = await produce(name, values(300), {}, { compression: CompressionTypes[codec] })
      assert.equal(told.errorCode, 0)
      assert.equal(told.baseOffset, '0')
      assert.equal(await end(name), 300, codec)
    }
  },

  async fields() {
    const name = await create('fields')
    await produce(name, [{ key: null, value: 'no key' }, { key: 'a', value: null }, { value: '', headers: { h: '1' } }])
    assert.equal(await end(name), 3)
  },

  async acks() {
    for (const acks of [0, 1, -1]) {
      const name = await create(`acks.${acks}`)
      await produce(name, values(50), {}, { acks: -1 })
      await produce(name, values(50), {}, { acks })
      while (acks === 0 && (await end(name)) < 100); // nothing says when it has arrived
      assert.equal(await end(name), 100)
    }
  },

  async idempotent() {
    const name = await create('idempotent', 3)
    const told = await produce(name, values(900), { idempotent: true })
    assert.ok(told.every(each => each.errorCode === 0))
    assert.equal(await end(name), 900)
  },

  async offsetsByTime() {
    const name = await create('times')
    const begin = Date.now() - 1000000
    for (let i = 0; i < 5; i++) await produce(name, [{ value: 'x', timestamp: String(begin + i * 1000) }])
    const at = async time => (await admin.fetchTopicOffsetsByTimestamp(name, time))[0].offset
    assert.equal(await at(begin + 1500), '2')
    assert.equal(await at(begin - 1500), '0')
    assert.equal(await at(begin + 99000), '5')
  },

  async topics() {
    const name = await create('administered', 2)
    assert.ok((await admin.listTopics()).includes(name))
    assert.equal(await admin.createTopics({ topics: [{ topic: name }] }), false)
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: 5 }] })
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
    assert.equal(topics[0].partitions.length, 5)
    assert.ok(topics[0].partitions.every(each => each.isr.length === 1 && each.leader === each.isr[0]))
    await admin.deleteTopics({ topics: [name] })
    while ((await admin.listTopics()).includes(name)); // Apache Kafka answers before the metadata is everywhere
    const error = await failure(() => admin.deleteTopics({ topics: [name] }))
    assert.equal((error.cause ?? error).type, 'UNKNOWN_TOPIC_OR_PARTITION')
  },

  async configs() {
    const name = await create('configured', 1, [{ name: 'retention.ms', value: '7000000' }])
    const resources = [{ type: ConfigResourceTypes.TOPIC, name }]
    const value = async key => {
      const described = await admin.describeConfigs({ resources, includeSynonyms: true })
      return described.resources[0].configEntries.find(each => each.configName === key)
    }
    assert.equal((await value('retention.ms')).configValue, '7000000')
    const configEntries = [{ name: 'segment.bytes', value: '3000000' }]
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resources[0], configEntries }] })
    assert.equal((await value('segment.bytes')).configValue, '3000000')
    assert.equal((await value('retention.ms')).configValue, '604800000')
  },

  async deleteRecords() {
    const name = await create('trimmed')
    await produce(name, values(20))
    assert.equal(await end(name), 20) // which also tells the client who leads
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '15' }] })
    const [offsets] = await admin.fetchTopicOffsets(name)
    assert.deepEqual([offsets.low, offsets.high], ['15', '20'])
  },

  async cluster() {
    const { brokers, clusterId, controller } = await admin.describeCluster()
    assert.deepEqual(brokers.map(each => `${each.host}:${each.port}`), [broker])
    assert.equal(controller, brokers[0].nodeId)
    assert.ok(clusterId)
  },

  async tooLarge() {
    const name = await create('large')
    await produce(name, [{ value: Buffer.alloc(1000000, 'x') }])
    const error = await failure(() => produce(name, [{ value: Buffer.alloc(1100000, 'x') }]))
    assert.equal(error.type, 'MESSAGE_TOO_LARGE')
    assert.equal(await end(name), 1)
  },

  async groups() {
    const name = await create('groups', 3)
    const read = async count => {
      const consumer = kafka.consumer({ groupId: name, sessionTimeout: 10000, heartbeatInterval: 500 })
      const found = []
      await consumer.connect()
      await consumer.subscribe({ topics: [name], fromBeginning: true })
      await new Promise((done, fail) => {
        consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
        consumer.run({ eachMessage: async ({ message }) => {
          found.push(message.key.toString())
          if (found.length === count) done()
        } }).catch(fail)
      })
      await consumer.disconnect() // which commits
      return found.sort()
    }
    await produce(name, values(60))
    assert.deepEqual(await read(60), values(60).map(each => each.key).sort())
    await produce(name, [{ key: 'last', value: 'one' }])
    assert.deepEqual(await read(1), ['last'])
    const { groups } = await admin.describeGroups([name])
    assert.equal(groups[0].state, 'Empty')
    const [{ partitions }] = await admin.fetchOffsets({ groupId: name, topics: [name] })
    assert.equal(partitions.reduce((sum, each) => sum + Number(each.offset), 0), 61)
    await admin.deleteGroups([name])
    assert.ok(!(await admin.listGroups()).groups.some(each => each.groupId === name))
  },
})
