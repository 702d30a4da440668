// envd_debug.mjs - the JavaScript SDK against a bare envd (its debug mode).
//
// Run by envd_inside.sh, in a folder where `npm i e2b` was done:
//   E2B_DEBUG=true node envd_debug.mjs
// Ends with "N passed, M failed".
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(process.cwd() + '/')
const sdk = await import(pathToFileURL(require.resolve('e2b')).href.replace(/index\.js$/, 'index.mjs'))
const { Sandbox, FileNotFoundError, CommandExitError, TimeoutError, FilesystemEventType } = sdk

let passed = 0, failed = 0
function check(ok, what) {
	if (ok) passed++
	else { failed++; console.log('# FAILED: ' + what) }
}
const eq = (a, b, what) =>
	check(JSON.stringify(a) === JSON.stringify(b), `${what}: ${JSON.stringify(a)} is not ${JSON.stringify(b)}`)
async function raises(f, cls, what) {
	try { await f() } catch (e) {
		check(e instanceof cls, `${what}: raised ${e.constructor.name}: ${e.message}`)
		return e
	}
	check(false, `${what}: raised nothing`)
}
const sleep = ms => new Promise(r => setTimeout(r, ms))

const tests = {
	async run(s) {
		let r = await s.commands.run('echo "Hello, World!"')
		eq([r.exitCode, r.stdout, r.stderr], [0, 'Hello, World!\n', ''], 'run')
		r = await s.commands.run(`echo 'it'"'"'s "quoted" $HOME \\n ü'`)
		eq(r.stdout, `it's "quoted" $HOME \\n ü\n`, 'special characters')
		r = await s.commands.run('id -un; pwd; echo $HOME $USER $LOGNAME')
		eq(r.stdout, 'user\n/home/user\n/home/user user user\n', 'identity')
		r = await s.commands.run('id -u', { user: 'root' })
		eq(r.stdout, '0\n', 'root')
		r = await s.commands.run('pwd', { cwd: '/tmp' })
		eq(r.stdout, '/tmp\n', 'cwd')
		const e = await raises(() => s.commands.run('echo out; echo err >&2; exit 3'), CommandExitError, 'exit code')
		eq([e.exitCode, e.stdout, e.stderr], [3, 'out\n', 'err\n'], 'exit')
		await raises(() => s.commands.run('read -t 5 x'), CommandExitError, 'no stdin')
		await raises(() => s.commands.run('sleep 10', { timeoutMs: 300 }), TimeoutError, 'timeout')
		r = await s.commands.run('head -c 3000000 /dev/zero | tr "\\0" x')
		eq(r.stdout.length, 3000000, 'long output')
	},
	async envs(s) {
		let r = await s.commands.run('echo $FOO', { envs: { FOO: 'bar baz' } })
		eq(r.stdout, 'bar baz\n', 'env')
		r = await s.commands.run('echo "[$FOO]" $E2B_SANDBOX $E2B_SANDBOX_ID')
		eq(r.stdout, '[] true itest0123456789abcdef\n', 'scoped')
	},
	async background(s) {
		const h = await s.commands.run('echo a; sleep 0.2; echo b', { background: true })
		check(h.pid > 0, 'pid')
		const r = await h.wait()
		eq([r.stdout, r.exitCode], ['a\nb\n', 0], 'wait')
		const k = await s.commands.run('sleep 100', { background: true })
		check((await s.commands.list()).some(p => p.pid === k.pid && p.cmd === '/bin/bash' &&
			p.args.join() === '-l,-c,sleep 100'), 'listed')
		check(await s.commands.kill(k.pid), 'kill')
		await raises(() => k.wait(), CommandExitError, 'killed')
		await raises(() => s.commands.run(`kill -0 ${k.pid}`), CommandExitError, 'gone')
		check(!(await s.commands.list()).some(p => p.pid === k.pid), 'unlisted')
		check(!(await s.commands.kill(999999)), 'kill nobody')
		const andthen = await s.commands.run('sleep 100 && echo x', { background: true })
		await s.commands.kill(andthen.pid)
		const t0 = Date.now()
		await raises(() => andthen.wait(), CommandExitError, 'killed with a child left')
		check(Date.now() - t0 < 2000, 'the end did not wait for the child')
	},
	async connect(s) {
		const h = await s.commands.run('for i in 1 2 3 4 5; do echo $i; sleep 0.1; done', { background: true })
		await h.disconnect()
		let out = ''
		const c = await s.commands.connect(h.pid, { onStdout: d => { out += d } })
		eq(c.pid, h.pid, 'connected pid')
		const r = await c.wait()
		check(r.exitCode === 0 && out.endsWith('5\n'), 'output after connect')
		const late = await s.commands.connect(h.pid)
		eq((await late.wait()).exitCode, 0, 'end kept')
		await raises(() => s.commands.connect(999999), sdk.NotFoundError, 'connect nobody')
	},
	async stdin(s) {
		const h = await s.commands.run('cat', { background: true, stdin: true })
		await s.commands.sendStdin(h.pid, 'Hello, ')
		await s.commands.sendStdin(h.pid, '')
		await s.commands.sendStdin(h.pid, new TextEncoder().encode('wörld\n'))
		const big = 'x'.repeat(1000000) + '\n'
		await s.commands.sendStdin(h.pid, big)
		await s.commands.closeStdin(h.pid)
		const r = await h.wait()
		eq(r.stdout.length, 'Hello, wörld\n'.length + big.length, 'cat')
		check(r.stdout.startsWith('Hello, wörld\n'), 'cat text')
	},
	async pty(s) {
		let out = ''
		const dec = new TextDecoder()
		const h = await s.pty.create({ cols: 80, rows: 24, onData: d => { out += dec.decode(d) }, envs: { ABC: '123' } })
		const enc = x => new TextEncoder().encode(x)
		await s.pty.sendInput(h.pid, enc('echo $ABC; tput cols; tty\n'))
		await sleep(500)
		check(out.includes('123') && out.includes('80'), 'pty output: ' + out)
		await s.pty.resize(h.pid, { cols: 100, rows: 24 })
		await s.pty.sendInput(h.pid, enc('tput cols\n'))
		await sleep(300)
		check(out.includes('100'), 'resized')
		await h.disconnect()
		let again = ''
		const c = await s.pty.connect(h.pid, { onData: d => { again += dec.decode(d) } })
		await s.pty.sendInput(h.pid, enc('echo again$((1+1)); exit\n'))
		const r = await c.wait()
		eq(r.exitCode, 0, 'pty exit')
		check(again.includes('again2'), 'pty reconnected')
		const k = await s.pty.create({ cols: 80, rows: 24, onData: () => {} })
		check(await s.pty.kill(k.pid), 'pty kill')
		await raises(() => k.wait(), CommandExitError, 'pty killed')
		check(!(await s.pty.kill(k.pid)), 'pty gone')
	},
	async files(s) {
		const w = await s.files.write('dir/a.txt', 'content')
		eq([w.name, w.type, w.path], ['a.txt', 'file', '/home/user/dir/a.txt'], 'write')
		eq(await s.files.read('dir/a.txt'), 'content', 'read')
		await s.files.write('/0/file', 'x')
		await s.files.write('dir/a.txt', 'short')
		eq(await s.files.read('/home/user/dir/a.txt'), 'short', 'overwritten')
		await s.files.write('empty', '')
		eq(await s.files.read('empty'), '', 'empty')
		eq((await s.files.read('empty', { format: 'bytes' })).length, 0, 'empty bytes')
		const many = await s.files.write([{ path: 'm/1.txt', data: 'one' }, { path: '/home/user/m/2.txt', data: new Blob(['two']) },
			{ path: 'm/3.txt', data: new TextEncoder().encode('three').buffer }])
		eq(many.map(x => x.path), ['/home/user/m/1.txt', '/home/user/m/2.txt', '/home/user/m/3.txt'], 'several')
		eq(await s.files.read('m/3.txt'), 'three', 'array buffer')
		eq(await s.files.write([]), [], 'none')
		const stream = new Blob(['streamed']).stream()
		await s.files.write('stream.txt', stream)
		eq(await s.files.read('stream.txt'), 'streamed', 'stream')
		for (const o of [{ useOctetStream: true }, { gzip: true }, { useOctetStream: true, gzip: true }]) {
			await s.files.write('opt.txt', 'opt'.repeat(100000), o)
			eq((await s.files.read('opt.txt', o)).length, 300000, JSON.stringify(o))
		}
		const rs = await s.files.read('opt.txt', { format: 'stream' })
		let n = 0
		for await (const c of rs) n += c.length
		eq(n, 300000, 'read stream')
		await raises(() => s.files.read('nothing'), FileNotFoundError, 'read missing')
		check(await s.files.exists('m/1.txt'), 'exists')
		check(!(await s.files.exists('m/9.txt')), 'exists not')
		check(await s.files.makeDir('new/dir'), 'makeDir')
		check(!(await s.files.makeDir('new/dir')), 'makeDir again')
		const mv = await s.files.rename('m/1.txt', 'n/1.txt')
		eq(mv.path, '/home/user/n/1.txt', 'rename')
		await raises(() => s.files.rename('m/1.txt', 'x'), FileNotFoundError, 'rename missing')
		const l = await s.files.list('/home/user', { depth: 2 })
		eq(l.map(x => x.path).filter(x => x.startsWith('/home/user/m')), ['/home/user/m', '/home/user/m/2.txt', '/home/user/m/3.txt'], 'list')
		const i = await s.files.getInfo('m/2.txt')
		eq([i.name, i.type, i.size, i.mode, i.permissions, i.owner, i.group, i.path],
			['2.txt', 'file', 3, 0o644, '-rw-r--r--', 'user', 'user', '/home/user/m/2.txt'], 'info')
		check(Math.abs(i.modifiedTime - Date.now()) < 60000, 'mtime')
		await s.commands.run('ln -s m link; ln -s nowhere dangling')
		const li = await s.files.getInfo('link')
		eq([li.type, li.symlinkTarget], ['dir', '/home/user/m'], 'symlink')
		await s.files.remove('m')
		check(!(await s.files.exists('m')), 'removed')
		await s.files.remove('m')
		await raises(() => s.files.getInfo('m'), FileNotFoundError, 'info missing')
	},
	async metadata(s) {
		await s.files.write('meta.txt', 'x', { metadata: { Color: 'blue' } })
		const i = await s.files.getInfo('meta.txt')
		if (i.metadata === undefined) return // no xattrs here
		eq(i.metadata, { color: 'blue' }, 'metadata')
		await s.files.write('meta.txt', 'y')
		eq((await s.files.getInfo('meta.txt')).metadata ?? {}, {}, 'metadata cleared')
	},
	async watch(s) {
		await s.files.makeDir('w')
		const got = []
		const h = await s.files.watchDir('w', e => { got.push(e) }, { recursive: true, includeEntry: true })
		await s.files.write('w/f.txt', 'content')
		await sleep(200)
		eq(got.map(e => [e.name, e.type]), [['f.txt', FilesystemEventType.CREATE],
			['f.txt', FilesystemEventType.CHMOD], ['f.txt', FilesystemEventType.WRITE]], 'three events')
		eq(got[2]?.entry?.size, 7, 'entry of the event')
		got.length = 0
		await s.files.makeDir('w/sub')
		await sleep(100)
		await s.files.write('w/sub/g', 'x')
		await s.files.rename('w/sub', 'w/bus')
		await s.files.write('w/bus/g', 'y')
		await sleep(200)
		check(got.some(e => e.name === 'sub/g' && e.type === FilesystemEventType.CREATE), 'below')
		check(got.some(e => e.name === 'bus/g' && e.type === FilesystemEventType.WRITE), 'renamed')
		await h.stop()
		await raises(() => s.files.watchDir('nowhere', () => {}), FileNotFoundError, 'watch missing')
		await raises(() => s.files.watchDir('w/f.txt', () => {}), sdk.SandboxError, 'watch a file')
	},
	async git(s) {
		await s.git.init('repo', { initialBranch: 'main' })
		await s.git.configureUser('A', 'a@b.c', { scope: 'local', path: 'repo' })
		await s.files.write('repo/f', 'x')
		await s.git.add('repo')
		await s.git.commit('repo', 'first')
		const st = await s.git.status('repo')
		eq(st.currentBranch, 'main', 'git branch')
	},
	async many(s) {
		const rs = await Promise.all(Array.from({ length: 100 }, (_, i) => s.commands.run(`echo ${i}`)))
		eq(rs.map(r => r.stdout), Array.from({ length: 100 }, (_, i) => `${i}\n`), 'hundred at once')
		await Promise.all(Array.from({ length: 50 }, (_, i) => s.files.write(`c/d/${i}`, `${i}`)))
		eq((await s.files.list('c/d')).length, 50, 'concurrent uploads')
	},
	async health(s) {
		check(await s.isRunning(), 'isRunning')
	},
}

// What templates set.
await fetch('http://127.0.0.1:49983/init', { method: 'POST',
	headers: { 'X-Coppice-Init': process.env.ENVD_SECRET }, body: '{"defaultUser":"user"}' })
const s = await Sandbox.create()
for (const [name, f] of Object.entries(tests)) {
	if (process.argv.length > 2 && !process.argv.includes(name)) continue
	try { await f(s) } catch (e) { check(false, `${name}: ${e.stack}`) }
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
