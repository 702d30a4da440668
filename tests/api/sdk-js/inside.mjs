// tests/api/sdk-js/inside.mjs - every method of e2b of npm that lives inside a
// sandbox, and the classes of errors.
import assert from 'node:assert/strict'

import { box, create, e2b, listed, test, text, until, wayIn } from './harness.mjs'

const { Sandbox, CommandExitError, TimeoutError, NotFoundError, FileNotFoundError,
  SandboxNotFoundError, SandboxError, AuthenticationError, InvalidArgumentError,
  NotEnoughSpaceError, RateLimitError, FilesystemEventType, FileType, getSignature,
  waitForPort, waitForURL, waitForProcess, waitForFile, waitForTimeout } = e2b

// --- commands ----------------------------------------------------------------

test('commands listed with what they are', async () => {
  const sbx = await box()
  const h = await sbx.commands.run('sleep 61', { background: true, envs: { MARK: 'x' }, cwd: '/tmp' })
  const p = (await sbx.commands.list()).find((x) => x.pid === h.pid)
  assert.deepEqual([p.cmd, p.args, p.cwd, p.envs.MARK], ['/bin/bash', ['-l', '-c', 'sleep 61'], '/tmp', 'x'])
  assert.equal(await sbx.commands.kill(h.pid), true)
})

test('input by pid, and its end', async () => {
  const sbx = await box()
  assert.equal(sbx.commands.supportsStdinClose, true)
  const h = await sbx.commands.run('cat', { background: true, stdin: true })
  await sbx.commands.sendStdin(h.pid, 'text ')
  await sbx.commands.sendStdin(h.pid, new Uint8Array([0x62, 0x79, 0xc3, 0xa4]))
  await sbx.commands.closeStdin(h.pid)
  assert.equal((await h.wait()).stdout, 'text byä')
  await assert.rejects(sbx.commands.sendStdin(h.pid, 'late'), NotFoundError)
})

test('handle tells how it ended', async () => {
  const sbx = await box()
  const h = await sbx.commands.run('echo out; echo err >&2; sleep 0.3; exit 9', { background: true })
  assert.equal(h.exitCode, undefined)
  await assert.rejects(h.wait(), (e) => e instanceof CommandExitError && e.exitCode === 9)
  assert.deepEqual([h.exitCode, h.stdout, h.stderr, h.error], [9, 'out\n', 'err\n', 'exit status 9'])
  const k = await sbx.commands.run('sleep 62', { background: true })
  assert.equal(await k.kill(), true)
  await assert.rejects(k.wait(), (e) => e instanceof CommandExitError && /killed/.test(e.error))
  assert.equal(await k.kill(), false)
})

test('pty found again, and killed', async () => {
  const sbx = await box()
  const first = await sbx.pty.create({ cols: 80, rows: 24, onData: () => {} })
  await first.disconnect()
  let seen = ''
  const h = await sbx.pty.connect(first.pid, { onData: (d) => { seen += new TextDecoder().decode(d) } })
  await sbx.pty.sendInput(h.pid, new TextEncoder().encode('echo $((6*7))\n'))
  assert(await until(() => /\r42\r/.test(seen)), seen)
  assert.equal(await sbx.pty.kill(h.pid), true)
  await assert.rejects(h.wait(), CommandExitError)
  assert.equal(await sbx.pty.kill(h.pid), false)
})

// --- files -------------------------------------------------------------------

test('directory watched', async () => {
  const sbx = await box()
  await sbx.files.makeDir('watched')
  const seen = []
  let exited = false
  const w = await sbx.files.watchDir('watched', (e) => { seen.push([e.type, e.name]) }, { onExit: () => { exited = true } })
  await sbx.files.write('watched/a', 'one')
  await sbx.files.rename('watched/a', 'watched/b')
  await sbx.files.remove('watched/b')
  const has = (type, name) => seen.some(([t, n]) => t === type && n === name)
  assert(await until(() => has(FilesystemEventType.CREATE, 'a') && has(FilesystemEventType.WRITE, 'a') &&
    has(FilesystemEventType.RENAME, 'a') && has(FilesystemEventType.REMOVE, 'b')), JSON.stringify(seen))
  await w.stop()
  assert(await until(() => exited))
  const n = seen.length
  await sbx.files.write('watched/late', '')
  await new Promise((r) => setTimeout(r, 200))
  assert.equal(seen.length, n)
  await assert.rejects(sbx.files.watchDir('no/such/dir', () => {}), NotFoundError)
})

test('directory watched below, with entries', async () => {
  const sbx = await box()
  await sbx.files.makeDir('tree-watched/sub')
  const seen = []
  const w = await sbx.files.watchDir('tree-watched', (e) => { seen.push(e) }, { recursive: true, includeEntry: true })
  await sbx.files.write('tree-watched/sub/f', 'four')
  assert(await until(() => seen.some((e) => e.name === 'sub/f' && e.entry?.path === '/home/user/tree-watched/sub/f')),
    JSON.stringify(seen))
  await w.stop()
})

test('file with metadata', async () => {
  const sbx = await box()
  const w = await sbx.files.write('meta', 'x', { metadata: { Kind: 'note', by: 'sdk' } })
  assert.deepEqual(w.metadata, { kind: 'note', by: 'sdk' })
  assert.deepEqual((await sbx.files.getInfo('meta')).metadata, { kind: 'note', by: 'sdk' })
  await assert.rejects(sbx.files.write('meta', 'x', { metadata: { 'a b': 'c' } }), InvalidArgumentError)
})

test('file packed on the way', async () => {
  const sbx = await box()
  const data = 'packed '.repeat(20000)
  await sbx.files.write('packed', data, { gzip: true })
  assert.equal(await text(sbx, 'wc -c < packed'), String(data.length))
  assert.equal(await sbx.files.read('packed', { gzip: true }), data)
  await sbx.files.write('plain', data, { useOctetStream: true })
  assert.equal(await sbx.files.read('plain'), data)
})

test('file read as a stream', async () => {
  const sbx = await box()
  const data = '0123456789'.repeat(50000)
  await sbx.files.write('streamed', new Blob([data]).stream())
  let got = ''
  for await (const piece of await sbx.files.read('streamed', { format: 'stream' })) got += new TextDecoder().decode(piece)
  assert.equal(got, data)
  assert.equal(await (await sbx.files.read('streamed', { format: 'blob' })).text(), data)
})

test('files written together', async () => {
  const sbx = await box()
  const r = await sbx.files.writeFiles([{ path: 'both/1', data: 'one' }, { path: 'both/2', data: new Blob(['two']) }])
  assert.deepEqual(r.map((f) => [f.name, f.type]), [['1', 'file'], ['2', 'file']])
  assert.equal(await text(sbx, 'cat both/*'), 'onetwo')
})

test('symbolic link', async () => {
  const sbx = await box()
  await sbx.commands.run('echo x > aim; ln -sfn aim arrow; ln -sfn nowhere broken')
  const e = await sbx.files.getInfo('arrow')
  assert.deepEqual([e.type, e.symlinkTarget], [FileType.FILE, '/home/user/aim'])
  assert.equal(await sbx.files.read('arrow'), 'x\n')
  // One that leads nowhere is of no type, as in the original.
  const b = await sbx.files.getInfo('broken')
  assert.deepEqual([b.type, b.symlinkTarget], [undefined, '/home/user/broken'])
})

test('signed urls', async () => {
  const sbx = await box()
  // With E2B_SANDBOX_URL set their host is that one: the sandbox's is said here.
  const ask = (url, opts) => wayIn(sbx.getHost(49983), url.pathname + url.search, opts)
  const up = new URL(await sbx.uploadUrl('signed.txt', { useSignatureExpiration: 60 }))
  const boundary = 'xxBOUNDARYxx'
  const form = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="signed.txt"\r\n\r\nby url\r\n--${boundary}--\r\n`
  const sent = await ask(up, { method: 'POST', body: form,
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}`, 'Content-Length': Buffer.byteLength(form) } })
  assert.equal(sent.status, 200, sent.body)
  const down = new URL(await sbx.downloadUrl('signed.txt'))
  const got = await ask(down)
  assert.deepEqual([got.status, got.body], [200, 'by url'])
  const forged = new URL(down)
  forged.searchParams.set('path', '/etc/passwd')
  assert.equal((await ask(forged)).status, 401)
  const { signature } = await getSignature({ path: 'signed.txt', operation: 'read', user: undefined,
    envdAccessToken: sbx.envdAccessToken })
  assert.equal(down.searchParams.get('signature'), signature)
  const late = new URL(await sbx.downloadUrl('signed.txt', { useSignatureExpiration: 1 }))
  assert.equal((await ask(late)).status, 200)
  assert(await until(async () => (await ask(late)).status === 401, 4000))
})

// --- the sandbox -------------------------------------------------------------

test('host, mcp url and token', async () => {
  const sbx = await box()
  assert.equal(sbx.getHost(8080), `8080-${sbx.sandboxId}.${sbx.sandboxDomain}`)
  assert.equal(sbx.getMcpUrl(), `https://50005-${sbx.sandboxId}.${sbx.sandboxDomain}/mcp`)
  await sbx.commands.run('mkdir -p /etc/mcp-gateway; printf tok-en > /etc/mcp-gateway/.token', { user: 'root' })
  assert.equal(await sbx.getMcpToken(), 'tok-en')
})

test('mcp start-up without its template', async () => {
  const key = `mcp${Date.now()}`
  await assert.rejects(Sandbox.create('base', { mcp: { exa: { apiKey: 'k\'"$' } }, metadata: { key }, timeoutMs: 60_000 }), (e) => {
    assert(e instanceof SandboxError, String(e))
    assert.match(e.message, /mcp-gateway: command not found/)
    return true
  })
  for (const s of await listed(Sandbox.list({ query: { metadata: { key } } }))) await Sandbox.kill(s.sandboxId)
})

test('metrics within a range', async () => {
  const sbx = await box()
  assert(await until(async () => (await sbx.getMetrics()).length > 0, 15_000))
  const now = Date.now()
  assert((await sbx.getMetrics({ start: new Date(now - 600_000), end: new Date(now + 1000) })).length > 0)
  assert.deepEqual(await sbx.getMetrics({ start: new Date(now - 7200_000), end: new Date(now - 3600_000) }), [])
})

test('asked by its id alone', async () => {
  const sbx = await create()
  const id = sbx.sandboxId
  assert.equal((await Sandbox.getInfo(id)).sandboxId, id)
  assert.equal((await Sandbox.getFullInfo(id)).sandboxId, id)
  assert(Array.isArray(await Sandbox.getMetrics(id)))
  await Sandbox.setTimeout(id, 100_000)
  assert((await Sandbox.getInfo(id)).endAt - Date.now() > 90_000)
  await Sandbox.updateNetwork(id, { denyOut: ['8.8.8.8'] })
  assert.equal(await Sandbox.pause(id), true)
  assert.equal(await Sandbox.betaPause(id), false)
  const again = await Sandbox.connect(id)
  assert.equal(await text(again, 'echo back'), 'back')
  assert.equal(await again.betaPause(), true)
  assert.equal(await (await again.connect()).isRunning(), true)
  assert.equal(await Sandbox.kill(id), true)
})

test('snapshots and forks say what is missing', async () => {
  const sbx = await box()
  const missing = (e) => e instanceof SandboxError && /501/.test(e.message)
  await assert.rejects(sbx.createSnapshot(), missing)
  await assert.rejects(Sandbox.createSnapshot(sbx.sandboxId), missing)
  await assert.rejects(sbx.listSnapshots().nextItems(), missing)
  await assert.rejects(Sandbox.listSnapshots().nextItems(), missing)
  await assert.rejects(Sandbox.deleteSnapshot('none'), missing)
  await assert.rejects(sbx.fork(), missing)
  await assert.rejects(Sandbox.fork(sbx.sandboxId), missing)
})

// --- what templates run ------------------------------------------------------

test('ready commands', async () => {
  const sbx = await box()
  const ready = async (cmd) => {
    try {
      await sbx.commands.run(cmd.getCmd(), { user: 'root' })
      return true
    } catch (e) {
      if (e instanceof CommandExitError) return false
      throw e
    }
  }
  const all = [waitForPort(8123), waitForURL('http://127.0.0.1:8123/', 200), waitForProcess('ready-proc'),
    waitForFile('/tmp/ready-file')]
  for (const r of all) assert.equal(await ready(r), false, r.getCmd())
  const h = await sbx.commands.run('exec python3 -m http.server 8123 --bind 127.0.0.1', { background: true })
  const p = await sbx.commands.run('cp /bin/sleep /tmp/ready-proc; touch /tmp/ready-file; exec /tmp/ready-proc 60', { background: true })
  for (const r of all) assert(await until(() => ready(r)), r.getCmd())
  assert.equal(await ready(waitForPort(812)), false)
  assert.equal(await ready(waitForTimeout(10)), true)
  await h.kill()
  await p.kill()
})

// --- classes of errors -------------------------------------------------------

const is = (kind) => (e) => {
  assert(e instanceof kind, `${e?.constructor?.name}: ${e?.message}`)
  return true
}

test('error: nothing of that name', async () => {
  const sbx = await box()
  await assert.rejects(sbx.files.read('/no/such'), is(FileNotFoundError))
  await assert.rejects(sbx.commands.connect(4_000_000), is(NotFoundError))
  await assert.rejects(Sandbox.connect('inobodynobodynobody00'), is(SandboxNotFoundError))
  const gone = await create()
  await gone.kill()
  await assert.rejects(gone.commands.run('true'), is(SandboxNotFoundError))
})

test('error: an argument that cannot be', async () => {
  const sbx = await box()
  await assert.rejects(sbx.files.write('/etc', 'x', { user: 'root' }), is(InvalidArgumentError))
  await assert.rejects(sbx.files.read('/etc'), is(InvalidArgumentError))
  await assert.rejects(sbx.files.list('/etc/passwd'), is(InvalidArgumentError))
  await assert.rejects(sbx.files.list('/etc', { depth: 0 }), is(InvalidArgumentError))
  await assert.rejects(sbx.commands.run('true', { cwd: '/no/such' }), is(InvalidArgumentError))
})

test('error: not who it says', async () => {
  const sbx = await create()
  await assert.rejects(sbx.commands.run('true', { user: 'nobody-here' }), is(AuthenticationError))
  const stranger = new Sandbox({ sandboxId: sbx.sandboxId, sandboxDomain: sbx.sandboxDomain, envdVersion: '0.6.13',
    envdAccessToken: 'a-guess' })
  await assert.rejects(stranger.commands.run('true'), is(AuthenticationError))
  await assert.rejects(stranger.files.read('/etc/hostname'), is(AuthenticationError))
})

test('error: too late', async () => {
  const sbx = await create()
  await assert.rejects(sbx.commands.run('sleep 63', { timeoutMs: 500 }), is(TimeoutError))
  await assert.rejects(sbx.files.list('/usr', { depth: 30, requestTimeoutMs: 1 }), is(TimeoutError))
})

test('error: more than fits in a message', async () => {
  const sbx = await box()
  const h = await sbx.commands.run('sleep 64', { background: true, stdin: true })
  await assert.rejects(sbx.commands.sendStdin(h.pid, 'x'.repeat(27 << 20)), is(RateLimitError))
  await h.kill()
  assert.equal(await text(sbx, 'echo works'), 'works')
})

test('error: a full disk', async () => {
  const sbx = await create()
  await sbx.commands.run('i=0; while fallocate -l 64M fill$i && [ $i -lt 1000 ]; do i=$((i+1)); done 2>/dev/null; ' +
    'head -c 64M /dev/zero > rest 2>/dev/null; sync', { timeoutMs: 60_000 }).catch(() => {})
  await assert.rejects(sbx.files.write('big', 'x'.repeat(16 << 20)), is(NotEnoughSpaceError))
  assert.equal(await text(sbx, 'rm -f fill* rest; echo works'), 'works')
})
