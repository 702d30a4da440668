// tests/freebsd/host/sdk_js.mjs - e2b of npm against a daemon on FreeBSD: what
// its users do most.  The environment says where it is, as e2b itself asks.
import assert from 'node:assert/strict'
import { create, e2b, text, until } from '../../api/sdk-js/harness.mjs'

let passed = 0
let failed = 0
const { Sandbox } = e2b

async function test(name, body) {
  const t0 = Date.now()
  try {
    await body()
    passed++
    console.log(`ok ${name} (${Date.now() - t0} ms)`)
  } catch (e) {
    failed++
    console.log(`not ok ${name}: ${String(e?.message ?? e).slice(0, 400)}`)
  }
}

const reach = (sbx, host) => text(sbx, `nc -z -w 3 ${host} 80 2>/dev/null && echo open || echo closed`)
async function reaches(sbx, want) {
  assert.deepEqual([await reach(sbx, '1.1.1.1'), await reach(sbx, '8.8.8.8')], want)
}

let sbx
await test('create', async () => {
  sbx = await create({ timeoutMs: 900_000, metadata: { a: 'b' }, envs: { HERE: 'yes' } })
  assert.equal(await text(sbx, 'echo $HERE'), 'yes')
})
if (sbx) {
  await test('command in the foreground', async () => {
    const r = await sbx.commands.run('echo out; echo err >&2; uname -s', { cwd: '/tmp' })
    assert.deepEqual([r.stdout, r.stderr, r.exitCode], ['out\nFreeBSD\n', 'err\n', 0])
    await assert.rejects(sbx.commands.run('exit 7'), (e) => e.exitCode === 7)
  })
  await test('command in the background', async () => {
    let out = ''
    const h = await sbx.commands.run('echo one; sleep 0.3; echo two',
      { background: true, onStdout: (d) => { out += d } })
    await h.wait()
    assert.equal(out, 'one\ntwo\n')
    const long = await sbx.commands.run('sleep 61', { background: true })
    assert.equal(await sbx.commands.kill(long.pid), true)
    assert(await until(async () => !(await sbx.commands.list()).some((p) => p.pid === long.pid)))
  })
  await test('stdin', async () => {
    const h = await sbx.commands.run('cat', { background: true, stdin: true })
    await sbx.commands.sendStdin(h.pid, 'through a pipe')
    await sbx.commands.closeStdin(h.pid)
    assert.equal((await h.wait()).stdout, 'through a pipe')
  })
  await test('pty', async () => {
    let out = ''
    const h = await sbx.pty.create({ cols: 80, rows: 24, timeoutMs: 60_000,
      onData: (d) => { out += Buffer.from(d).toString() } })
    await sbx.pty.sendInput(h.pid, Buffer.from('echo a$((1+1))b; stty size; exit\n'))
    assert(await until(() => out.includes('a2b') && out.includes('24 80'), 15_000), out)
    await h.wait().catch(() => {})
  })
  await test('command that exceeds its timeout', async () => {
    await assert.rejects(sbx.commands.run('sleep 30', { timeoutMs: 2000 }), e2b.TimeoutError)
  })
  await test('files', async () => {
    const f = sbx.files
    await f.write('/home/user/a/b.txt', 'text')
    assert.equal(await f.read('/home/user/a/b.txt'), 'text')
    const blob = new Uint8Array(1 << 20).map((_, i) => i * 7)
    await f.write('/home/user/a/blob', blob.buffer)
    assert.deepEqual(Buffer.from(await f.read('/home/user/a/blob', { format: 'bytes' })), Buffer.from(blob))
    assert.deepEqual((await f.list('/home/user/a')).map((e) => e.name).sort(), ['b.txt', 'blob'])
    assert.equal(await f.exists('/home/user/a/b.txt'), true)
    await f.rename('/home/user/a/b.txt', '/home/user/a/c.txt')
    assert.equal(await f.read('/home/user/a/c.txt'), 'text')
    await f.makeDir('/home/user/d/e')
    await f.remove('/home/user/a')
    assert.equal(await f.exists('/home/user/a'), false)
    await assert.rejects(f.read('/home/user/none'), e2b.NotFoundError)
  })
  await test('watch', async () => {
    await sbx.files.makeDir('/home/user/w')
    const seen = []
    const h = await sbx.files.watchDir('/home/user/w', (e) => { seen.push(e.name) })
    await sbx.files.write('/home/user/w/new', 'x')
    assert(await until(() => seen.includes('new')), seen.join())
    await h.stop()
  })
  await test('network updated live', async () => {
    await reaches(sbx, ['open', 'open'])
    await sbx.updateNetwork({ allowOut: ['1.1.1.1'], denyOut: ['0.0.0.0/0'] })
    await reaches(sbx, ['open', 'closed'])
    await sbx.updateNetwork({ denyOut: ['1.1.1.1'] })
    await reaches(sbx, ['closed', 'open'])
    await sbx.updateNetwork({})
    await reaches(sbx, ['open', 'open'])
  })
  await test('list', async () => {
    const p = Sandbox.list()
    const found = []
    while (p.hasNext) found.push(...(await p.nextItems()).map((s) => s.sandboxId))
    assert(found.includes(sbx.sandboxId))
    assert.equal((await sbx.getInfo()).sandboxId, sbx.sandboxId)
  })
}
await test('network at create', async () => {
  const s = await create({ network: { allowOut: ['8.8.8.8'], denyOut: ['0.0.0.0/0'] } })
  await reaches(s, ['closed', 'open'])
  assert.equal(await s.kill(), true)
})
await test('pause and resume', async () => {
  const s = await create({ timeoutMs: 600_000 })
  const h = await s.commands.run('i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.1; done',
    { background: true })
  assert(await until(() => s.files.exists('/tmp/i')))
  await s.pause()
  assert.equal(await s.isRunning(), false)
  const back = await Sandbox.connect(s.sandboxId)
  const first = Number(await back.files.read('/tmp/i'))
  assert(await until(async () => Number(await back.files.read('/tmp/i')) > first))
  assert((await back.commands.list()).some((p) => p.pid === h.pid))
  assert.equal(await back.kill(), true)
})
await test('timeout and expiry', async () => {
  const s = await create({ timeoutMs: 60_000 })
  await s.setTimeout(2000)
  assert(await until(async () => !(await s.isRunning()), 20_000))
})
await test('kill', async () => {
  const s = await create()
  assert.equal(await s.kill(), true)
  assert.equal(await Sandbox.kill(s.sandboxId), false)
})
await sbx?.kill().catch(() => {})
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
