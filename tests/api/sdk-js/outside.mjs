// tests/api/sdk-js/outside.mjs - life, network and the everyday calls, with e2b
// of npm.
import assert from 'node:assert/strict'

import { box, create, e2b, listed, reach, test, text, until, wayIn } from './harness.mjs'

const { Sandbox, ALL_TRAFFIC, CommandExitError, TimeoutError, NotFoundError,
  SandboxError, AuthenticationError, InvalidArgumentError } = e2b

// --- create ------------------------------------------------------------------

test('create with metadata, envs and timeout', async () => {
  const before = Date.now()
  const sbx = await create({ metadata: { who: 'js', 'a b': 'c&d=é' },
    envs: { COLOUR: 'green', SPACED: 'a b' }, timeoutMs: 90_000 })
  const info = await sbx.getInfo()
  assert.deepEqual(info.metadata, { who: 'js', 'a b': 'c&d=é' })
  const life = info.endAt - info.startedAt
  assert(life > 88_000 && life < 92_000, `life ${life}`)
  assert(Math.abs(info.startedAt - before) < 10_000)
  assert.equal(await text(sbx, 'echo "$COLOUR/$SPACED"'), 'green/a b')
  assert.equal(await sbx.isRunning(), true)
})

// --- commands ----------------------------------------------------------------

test('command in the foreground', async () => {
  const r = await (await box()).commands.run('echo hello; echo "ä€𝄞"')
  assert.equal(r.exitCode, 0)
  assert.equal(r.stdout, 'hello\nä€𝄞\n')
  assert.equal(r.stderr, '')
})

test('command in the background', async () => {
  const sbx = await box()
  const h = await sbx.commands.run('echo begun; sleep 60', { background: true })
  assert(h.pid > 0)
  assert(await until(() => h.stdout === 'begun\n'))
  assert((await sbx.commands.list()).some((p) => p.pid === h.pid))
  assert.equal(await h.kill(), true)
  await assert.rejects(h.wait(), CommandExitError)
  assert(await until(async () => !(await sbx.commands.list()).some((p) => p.pid === h.pid)))
  assert.equal(await sbx.commands.kill(h.pid), false)
})

test('command found again by its pid', async () => {
  const sbx = await box()
  const first = await sbx.commands.run('read x; echo "got $x"', { background: true, stdin: true })
  await first.disconnect()
  const second = await sbx.commands.connect(first.pid)
  await sbx.commands.sendStdin(first.pid, 'it\n')
  const r = await second.wait()
  assert.equal(r.stdout, 'got it\n')
})

test('command with stdin', async () => {
  const sbx = await box()
  const h = await sbx.commands.run('cat; echo end', { background: true, stdin: true })
  await h.sendStdin('one\n')
  await h.sendStdin('two ä\n')
  assert(await until(() => h.stdout === 'one\ntwo ä\n'), h.stdout)
  await h.closeStdin()
  assert.equal((await h.wait()).stdout, 'one\ntwo ä\nend\n')
})

test('command in a pty', async () => {
  const sbx = await box()
  let seen = ''
  const h = await sbx.pty.create({ cols: 80, rows: 24, timeoutMs: 30_000,
    onData: (d) => { seen += new TextDecoder().decode(d) } })
  const say = (s) => sbx.pty.sendInput(h.pid, new TextEncoder().encode(s))
  await say('stty size; tty; echo $((6*7)) $TERM\n')
  assert(await until(() => /24 80/.test(seen) && /\/dev\/pts\/\d/.test(seen) && /\n42 xterm/.test(seen)), seen)
  await sbx.pty.resize(h.pid, { cols: 100, rows: 30 })
  await say('stty size\n')
  assert(await until(() => /30 100/.test(seen)), seen)
  await say('exit 0\n')
  assert.equal((await h.wait()).exitCode, 0)
})

test('command with a non-zero exit', async () => {
  await assert.rejects((await box()).commands.run('echo out; echo err >&2; exit 7'), (e) => {
    assert(e instanceof CommandExitError)
    assert.deepEqual([e.exitCode, e.stdout, e.stderr], [7, 'out\n', 'err\n'])
    return true
  })
})

test('stdout and stderr apart, streamed', async () => {
  const out = []
  const err = []
  const r = await (await box()).commands.run(
    'for i in 1 2 3; do echo o$i; echo e$i >&2; sleep 0.1; done',
    { onStdout: (s) => { out.push(s) }, onStderr: (s) => { err.push(s) } })
  assert.equal(r.stdout, 'o1\no2\no3\n')
  assert.equal(r.stderr, 'e1\ne2\ne3\n')
  assert.equal(out.join(''), r.stdout)
  assert(out.length > 1, 'came in one piece')
  assert.equal(err.join(''), r.stderr)
})

test('command with a working directory', async () => {
  const sbx = await box()
  assert.equal(await text(sbx, 'pwd'), '/home/user')
  assert.equal(await text(sbx, 'pwd', { cwd: '/usr/lib' }), '/usr/lib')
  await assert.rejects(sbx.commands.run('pwd', { cwd: '/no/such' }), SandboxError)
})

test('command as another user', async () => {
  const sbx = await box()
  assert.equal(await text(sbx, 'id -un; id -u; echo $HOME'), 'user\n1000\n/home/user')
  assert.equal(await text(sbx, 'id -un; id -u; echo $HOME', { user: 'root' }), 'root\n0\n/root')
  assert.equal(await text(sbx, 'sudo -n id -un'), 'root')
})

test('command with environment variables', async () => {
  const sbx = await create({ envs: { A: 'sandbox', B: 'sandbox' } })
  assert.equal(await text(sbx, 'echo $A $B $C', { envs: { B: 'command', C: 'command' } }),
    'sandbox command command')
})

test('command that exceeds its timeout', async () => {
  const sbx = await box()
  const t0 = Date.now()
  await assert.rejects(sbx.commands.run('sleep 4242', { timeoutMs: 1000 }), TimeoutError)
  assert(Date.now() - t0 < 6000)
  assert(await until(async () => await text(sbx, 'pgrep -fx "sleep 4242" || true') === ''))
})

test('twenty commands at once', async () => {
  const sbx = await box()
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => text(sbx, `sleep 0.2; echo ${i}`)))
  assert.deepEqual(all, Array.from({ length: 20 }, (_, i) => String(i)))
})

// --- files -------------------------------------------------------------------

test('file written and read as text', async () => {
  const sbx = await box()
  const w = await sbx.files.write('text.txt', 'héllo\n')
  assert.equal(w.path, '/home/user/text.txt')
  assert.equal(w.name, 'text.txt')
  assert.equal(await sbx.files.read('text.txt'), 'héllo\n')
  await sbx.files.write('/home/user/text.txt', 'new')
  assert.equal(await sbx.files.read('/home/user/text.txt'), 'new')
  assert.equal(await text(sbx, 'stat -c %U text.txt'), 'user')
  await sbx.files.write('a/deep/er/one.txt', '')
  assert.equal(await sbx.files.read('a/deep/er/one.txt'), '')
})

test('file written and read as bytes', async () => {
  const sbx = await box()
  const bytes = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) & 255)
  await sbx.files.write('/tmp/bytes.bin', bytes.buffer)
  assert.deepEqual(await sbx.files.read('/tmp/bytes.bin', { format: 'bytes' }), bytes)
})

test('file of eight MiB', async () => {
  const sbx = await box()
  const big = new Uint8Array(8 << 20)
  for (let i = 0; i < big.length; i++) big[i] = (i * 31 + (i >> 12)) & 255
  await sbx.files.write('/tmp/big.bin', big.buffer)
  assert.equal(await text(sbx, 'stat -c %s /tmp/big.bin'), String(8 << 20))
  const back = await sbx.files.read('/tmp/big.bin', { format: 'bytes' })
  assert.equal(Buffer.compare(Buffer.from(back), Buffer.from(big)), 0)
})

test('several files in one call', async () => {
  const sbx = await box()
  const r = await sbx.files.write([{ path: 'many/1', data: 'one' }, { path: 'many/2', data: 'two' }])
  assert.deepEqual(r.map((f) => f.path), ['/home/user/many/1', '/home/user/many/2'])
  assert.equal(await text(sbx, 'cat many/1 many/2'), 'onetwo')
})

test('directory listed', async () => {
  const sbx = await box()
  await sbx.commands.run('mkdir -p ls/sub; echo abc > ls/f; echo x > ls/sub/g; ln -s f ls/link')
  const names = (await sbx.files.list('ls')).map((e) => [e.name, e.type, e.path])
  assert.deepEqual(names, [['f', 'file', '/home/user/ls/f'],
    ['link', 'file', '/home/user/ls/link'], ['sub', 'dir', '/home/user/ls/sub']])
  const deep = (await sbx.files.list('ls', { depth: 2 })).map((e) => e.path)
  assert(deep.includes('/home/user/ls/sub/g'))
})

test('file exists', async () => {
  const sbx = await box()
  assert.equal(await sbx.files.exists('/etc/passwd'), true)
  assert.equal(await sbx.files.exists('/etc'), true)
  assert.equal(await sbx.files.exists('/no/such'), false)
})

test('file information', async () => {
  const sbx = await box()
  await sbx.commands.run('printf 12345 > info; chmod 640 info')
  const e = await sbx.files.getInfo('info')
  assert.deepEqual([e.name, e.type, e.path, e.size, e.mode, e.permissions, e.owner, e.group],
    ['info', 'file', '/home/user/info', 5, 0o640, '-rw-r-----', 'user', 'user'])
  assert(Math.abs(e.modifiedTime - Date.now()) < 60_000)
})

test('file renamed', async () => {
  const sbx = await box()
  await sbx.files.write('old', 'content')
  const e = await sbx.files.rename('old', 'new/name')
  assert.equal(e.path, '/home/user/new/name')
  assert.equal(await sbx.files.exists('old'), false)
  assert.equal(await sbx.files.read('new/name'), 'content')
  await assert.rejects(sbx.files.rename('nothing', 'x'), NotFoundError)
})

test('file removed', async () => {
  const sbx = await box()
  await sbx.files.write('tree/a/b', 'x')
  await sbx.files.remove('tree')
  assert.equal(await sbx.files.exists('tree'), false)
})

test('directory made', async () => {
  const sbx = await box()
  assert.equal(await sbx.files.makeDir('made/by/sdk'), true)
  assert.equal(await sbx.files.makeDir('made/by/sdk'), false)
  assert.equal(await text(sbx, 'stat -c "%F %U" made/by/sdk'), 'directory user')
})

test('missing file', async () => {
  const sbx = await box()
  await assert.rejects(sbx.files.read('/no/such'), NotFoundError)
  await assert.rejects(sbx.files.list('/no/such'), NotFoundError)
  await assert.rejects(sbx.files.getInfo('/no/such'), NotFoundError)
})

// --- the way in --------------------------------------------------------------

test('http server at the way in', async () => {
  const sbx = await box()
  await sbx.files.write('www/index.html', 'from inside')
  const h = await sbx.commands.run('exec python3 -u -m http.server 8000 --bind 127.0.0.1 -d www',
    { background: true, timeoutMs: 60_000 })
  const host = sbx.getHost(8000)
  assert(host.startsWith(`8000-${sbx.sandboxId}.`), host)
  assert(await until(async () => (await wayIn(host)).status === 200))
  assert.equal((await wayIn(host)).body, 'from inside')
  assert.equal((await wayIn(host, '/none')).status, 404)
  await h.kill()
})

test('closed port at the way in', async () => {
  const sbx = await box()
  const r = await wayIn(sbx.getHost(8999))
  assert.equal(r.status, 502)
  assert.equal(r.type, 'application/json; charset=utf-8')
  assert.deepEqual(JSON.parse(r.body), { sandboxId: sbx.sandboxId, code: 502, port: 8999,
    message: 'The sandbox is running but port is not open' })
})

// --- list and information ----------------------------------------------------

test('list with metadata filter', async () => {
  const key = `k${Date.now()}`
  const a = await create({ metadata: { [key]: 'x y' } })
  await create({ metadata: { [key]: 'other' } })
  const hit = await listed(Sandbox.list({ query: { metadata: { [key]: 'x y' } } }))
  assert.deepEqual(hit.map((s) => s.sandboxId), [a.sandboxId])
  assert.deepEqual([hit[0].state, hit[0].metadata[key]], ['running', 'x y'])
  const all = await listed(Sandbox.list())
  assert(all.some((s) => s.sandboxId === a.sandboxId))
  assert.deepEqual(await listed(Sandbox.list({ query: { metadata: { [key]: 'x y' }, state: ['paused'] } })), [])
})

test('list by pages', async () => {
  const key = `p${Date.now()}`
  const ids = []
  for (let i = 0; i < 3; i++) ids.unshift((await create({ metadata: { key } })).sandboxId)
  const pages = Sandbox.list({ limit: 1, query: { metadata: { key } } })
  const seen = []
  for (let i = 0; i < 3; i++) {
    assert.equal(pages.hasNext, true)
    const page = await pages.nextItems()
    assert.equal(page.length, 1)
    seen.push(page[0].sandboxId)
  }
  assert.equal(pages.hasNext, false)
  assert.deepEqual(seen, ids)
})

test('information of a sandbox', async () => {
  const sbx = await box()
  const info = await sbx.getInfo()
  assert.equal(info.sandboxId, sbx.sandboxId)
  assert.equal(info.name, 'base')
  assert.equal(info.state, 'running')
  assert(info.cpuCount > 0 && info.memoryMB > 0)
  assert.equal(await text(sbx, 'nproc'), String(info.cpuCount))
  assert(await until(async () => (await sbx.getMetrics()).length > 0, 15_000))
  const m = (await sbx.getMetrics())[0]
  assert.equal(m.cpuCount, info.cpuCount)
  assert.equal(m.memTotal, info.memoryMB * 1024 * 1024)
})

// --- life --------------------------------------------------------------------

test('timeout set, and expiry', async () => {
  const sbx = await create()
  await sbx.setTimeout(2000)
  const info = await sbx.getInfo()
  assert(info.endAt - Date.now() < 3000)
  assert.equal(await sbx.isRunning(), true)
  assert(await until(async () => !(await sbx.isRunning()), 5000))
  await assert.rejects(sbx.commands.run('true'))
  await assert.rejects(sbx.getInfo(), NotFoundError)
  await assert.rejects(sbx.setTimeout(5000), NotFoundError)
})

test('pause and connect', async () => {
  const sbx = await create({ metadata: { kept: 'yes' }, envs: { KEPT: 'env' } })
  const h = await sbx.commands.run('i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.05; done',
    { background: true, timeoutMs: 0 })
  assert(await until(async () => await sbx.files.exists('/tmp/count')))
  assert.equal(await sbx.pause(), true)
  assert.equal(await sbx.pause(), false)
  assert.equal(await sbx.isRunning(), false)
  assert.equal((await sbx.getInfo()).state, 'paused')
  const paused = await listed(Sandbox.list({ query: { state: ['paused'] } }))
  assert(paused.some((s) => s.sandboxId === sbx.sandboxId))
  const again = await Sandbox.connect(sbx.sandboxId, { timeoutMs: 60_000 })
  assert.equal(again.sandboxId, sbx.sandboxId)
  assert.equal(await again.isRunning(), true)
  const info = await again.getInfo()
  assert.deepEqual([info.state, info.metadata.kept], ['running', 'yes'])
  assert.equal(await text(again, 'echo $KEPT'), 'env')
  // The same process counts on: memory survived.
  const n = Number(await again.files.read('/tmp/count'))
  assert(await until(async () => Number(await again.files.read('/tmp/count')) > n))
  assert((await again.commands.list()).some((p) => p.pid === h.pid))
})

test('automatic pause', async () => {
  const sbx = await create({ timeoutMs: 2000, lifecycle: { onTimeout: 'pause' } })
  assert.deepEqual((await sbx.getInfo()).lifecycle, { onTimeout: 'pause', autoResume: false })
  await sbx.files.write('/tmp/kept', 'still here')
  assert(await until(async () => (await sbx.getInfo()).state === 'paused', 6000))
  assert.equal(await sbx.isRunning(), false)
  const again = await sbx.connect({ timeoutMs: 60_000 })
  assert.equal(await again.files.read('/tmp/kept'), 'still here')
})

test('kill', async () => {
  const sbx = await create()
  assert.equal(await sbx.kill(), true)
  assert.equal(await sbx.isRunning(), false)
  assert.equal(await sbx.kill(), false)
  assert.equal(await Sandbox.kill(sbx.sandboxId), false)
  const all = await listed(Sandbox.list())
  assert(!all.some((s) => s.sandboxId === sbx.sandboxId))
  await assert.rejects(Sandbox.connect(sbx.sandboxId), NotFoundError)
})

// --- network -----------------------------------------------------------------

test('network options at create', async () => {
  const sbx = await create({ network: { allowOut: ['1.1.1.1'], denyOut: ({ allTraffic }) => [allTraffic] } })
  assert.equal(await reach(sbx, '1.1.1.1'), 'open')
  assert.equal(await reach(sbx, '8.8.8.8', 53), 'closed')
  const { network } = await sbx.getInfo()
  assert.deepEqual([network.allowOut, network.denyOut], [['1.1.1.1'], [ALL_TRAFFIC]])
})

test('no internet access', async () => {
  const sbx = await create({ allowInternetAccess: false })
  assert.equal(await reach(sbx, '1.1.1.1'), 'closed')
  assert.equal((await sbx.getInfo()).allowInternetAccess, false)
  assert.equal(await text(sbx, 'echo works'), 'works')
})

test('network updated live', async () => {
  const sbx = await create()
  assert.equal(await reach(sbx, '1.1.1.1'), 'open')
  assert.equal(await reach(sbx, '8.8.8.8', 53), 'open')
  await sbx.updateNetwork({ denyOut: ['8.8.8.0/24'] })
  assert.equal(await reach(sbx, '8.8.8.8', 53), 'closed')
  assert.equal(await reach(sbx, '1.1.1.1'), 'open')
  await sbx.updateNetwork({ allowOut: ['8.8.8.8'], denyOut: [ALL_TRAFFIC] })
  assert.equal(await reach(sbx, '8.8.8.8', 53), 'open')
  assert.equal(await reach(sbx, '1.1.1.1'), 'closed')
  await sbx.updateNetwork({})
  assert.equal(await reach(sbx, '1.1.1.1'), 'open')
})

// --- errors ------------------------------------------------------------------

const nobody = 'inobodynobodynobody00'

test('unknown sandbox', async () => {
  await assert.rejects(Sandbox.connect(nobody), NotFoundError)
  await assert.rejects(Sandbox.getInfo(nobody), NotFoundError)
  await assert.rejects(Sandbox.setTimeout(nobody, 1000), NotFoundError)
  await assert.rejects(Sandbox.updateNetwork(nobody, {}), NotFoundError)
  assert.equal(await Sandbox.kill(nobody), false)
})

test('unknown template', async () => {
  await assert.rejects(Sandbox.create('no-such-template'), (e) => {
    assert(e instanceof SandboxError)
    assert.match(e.message, /404.*no-such-template/)
    return true
  })
})

test('unknown user', async () => {
  await assert.rejects((await box()).commands.run('true', { user: 'nobody-here' }), AuthenticationError)
})

test('invalid network', async () => {
  const sbx = await box()
  await assert.rejects(sbx.updateNetwork({ denyOut: ['not-an-address'] }), /400: invalid denied CIDR not-an-address/)
  await assert.rejects(sbx.updateNetwork({ allowOut: ['example.com'] }), /400: When specifying allowed domains/)
  await assert.rejects(Sandbox.create({ network: { denyOut: ['10.0.0.0/33'] } }), SandboxError)
  assert.equal(await reach(sbx, '1.1.1.1'), 'open')
})

test('invalid timeout', async () => {
  await assert.rejects(Sandbox.create({ timeoutMs: 1000 * 3600 * 1000 }), (e) => {
    assert(e instanceof SandboxError || e instanceof InvalidArgumentError)
    assert.match(e.message, /400/)
    return true
  })
})
