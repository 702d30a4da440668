// tests/api/sdk-js/harness.mjs - what the suites share: a sandbox for all cases
// that change nothing about it, ways to look at it, and the run.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'

export const require = createRequire(path.resolve('build/sdk-js/package.json'))
export const e2b = require('e2b')

/** Thrown by a case that cannot run here, with the reason. */
export class Skip extends Error {}

const cases = new Map()
const made = []
let shared

// --- helpers -----------------------------------------------------------------

export async function create(opts = {}) {
  const sbx = await e2b.Sandbox.create({ timeoutMs: 120_000, ...opts })
  made.push(sbx)
  return sbx
}

/** The sandbox of all cases that change nothing about it. */
export async function box() {
  shared ??= await create()
  return shared
}

/** Waits for a condition, with a limit. */
export async function until(condition, ms = 10_000) {
  const end = Date.now() + ms
  for (;;) {
    if (await condition()) return true
    if (Date.now() > end) return false
    await new Promise((r) => setTimeout(r, 50))
  }
}

export async function text(sbx, command, opts) {
  return (await sbx.commands.run(command, opts)).stdout.trim()
}

/** What a TCP connection from inside says: open or closed. */
export async function reach(sbx, host, port = 80) {
  return text(sbx, `timeout 3 bash -c '</dev/tcp/${host}/${port}' 2>/dev/null && echo open || echo closed`)
}

/** What the way in answers to a request for that host. */
export function wayIn(host, target = '/', { method = 'GET', body, headers } = {}) {
  const url = new URL(process.env.E2B_SANDBOX_URL)
  return new Promise((resolve, reject) => {
    http.request({ host: url.hostname, port: url.port, path: target, method,
      headers: { Host: host, ...headers } }, (res) => {
      let got = ''
      res.on('data', (d) => { got += d })
      res.on('end', () => resolve({ status: res.statusCode, type: res.headers['content-type'], body: got }))
    }).on('error', reject).end(body)
  })
}

export async function listed(paginator) {
  const all = []
  while (paginator.hasNext) all.push(...await paginator.nextItems())
  return all
}

export function test(name, body) {
  assert(!cases.has(name), name)
  cases.set(name, body)
}

// --- run ---------------------------------------------------------------------

/** Runs what was added; the file's lines are the names that are wanted. */
export async function main(pick, list, more = () => []) {
  const want = readFileSync(list, 'utf8').split('\n')
    .filter((l) => l && !l.startsWith('#'))
  let passed = 0
  let failed = 0
  let skipped = 0
  for (const name of want.filter((n) => !cases.has(n))) {
    failed++
    console.log(`not ok ${name}: no such case in this suite`)
  }
  for (const [name, body] of cases) {
    if (!name.includes(pick)) continue
    const t0 = Date.now()
    try {
      assert(want.includes(name), `not in ${list}`)
      await body()
      passed++
      console.log(`ok ${name} (${Date.now() - t0} ms)`)
    } catch (e) {
      if (e instanceof Skip) {
        skipped++
        console.log(`skipped ${name}: ${e.message}`)
        continue
      }
      failed++
      console.log(`not ok ${name}`)
      console.log(String(e.stack ?? e).split('\n').slice(0, 8).map((l) => `#   ${l}`).join('\n'))
    }
  }
  await Promise.allSettled([...made, ...more()].map((s) => s.kill()))
  console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`)
  process.exit(failed ? 1 : 0)
}
