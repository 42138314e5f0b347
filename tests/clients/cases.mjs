// cases.mjs -- how a client program in JavaScript tells main.py what it found out: a line per case.
import assert from 'node:assert/strict'

export const broker = process.argv[2]
const only = process.argv[3] ?? ''
const unique = process.pid

export const SECONDS = 20

export function topic(name) {
  return `js.${name}.${unique}`
}

export class Skip extends Error {}

// It, or a failure after so long.
export function within(promise, seconds = SECONDS, what = 'it') {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// What an operation fails with.
export async function failure(operation) {
  try {
    await operation()
  } catch (error) {
    return error
  }
  return assert.fail('it does not fail')
}

export async function run(cases) {
  for (const [name, test] of Object.entries(cases)) {
    if (!name.includes(only)) continue
    try {
      await within(test(), SECONDS * 2, name)
      console.log(`passed ${name}`)
    } catch (error) {
      const why = String(error?.errors?.[0]?.stack ?? error?.stack ?? error).replaceAll(/\s+/g, ' ').slice(0, 500)
      if (error instanceof Skip) console.log(`skipped ${name}: ${error.message}`)
      else console.log(`failed ${name}: ${why}`)
    }
  }
  process.exit(0)
}
