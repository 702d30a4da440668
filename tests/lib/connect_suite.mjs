// connect_suite.mjs - every rpc of envd by @connectrpc/connect-node, in each of
// its codecs, and what the answers have in common: all of it.
//
// Run by envd_inside.sh: node connect_suite.mjs DIRECTORY DESCRIPTORS, where
// DIRECTORY has the packages and DESCRIPTORS is what protoc-c made of our
// .proto files.  Ends with "N passed, M failed".
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rawTests } from './connect_raw.mjs'

const require = createRequire(resolve(process.argv[2]) + '/')
const load = name => import(pathToFileURL(require.resolve(name)).href)
const { createFileRegistry, fromBinary, toJson } = await load('@bufbuild/protobuf')
const { FileDescriptorSetSchema } = await load('@bufbuild/protobuf/wkt')
const { createClient, Code, ConnectError } = await load('@connectrpc/connect')
const { createConnectTransport, compressionGzip } = await load('@connectrpc/connect-node')

const base = 'http://127.0.0.1:49983'

// protoc-c has no word for optional; see the head of our .proto files.
function sayOptional(m) {
	for (const f of m.field)
		f.proto3Optional = f.oneofIndex !== undefined && m.oneofDecl[f.oneofIndex]?.name.startsWith('_') &&
			Object.hasOwn(f, 'oneofIndex')
	m.nestedType.forEach(sayOptional)
}
const files = fromBinary(FileDescriptorSetSchema, readFileSync(process.argv[3]))
files.file.forEach(f => f.messageType.forEach(sayOptional))
const registry = createFileRegistry(files)
const services = { fs: registry.getService('filesystem.Filesystem'), proc: registry.getService('process.Process') }
const schema = name => registry.getMessage(name)

let passed = 0, failed = 0
export function check(ok, what) {
	if (ok) passed++
	else { failed++; console.log('# FAILED: ' + what) }
}
const show = x => JSON.stringify(x, (_, v) => typeof v === "bigint" ? `${v}n` : v)
const eq = (a, b, what) =>
	check(show(a) === show(b), `${what}: ${show(a)} is not ${show(b)}`)

const forms = [
	{ name: 'json', useBinaryFormat: false, acceptCompression: [] },
	{ name: 'binary', useBinaryFormat: true, acceptCompression: [] },
	{ name: 'json, packed', useBinaryFormat: false, acceptCompression: [compressionGzip],
		sendCompression: compressionGzip, compressMinBytes: 0 },
	{ name: 'binary, packed', useBinaryFormat: true, acceptCompression: [compressionGzip],
		sendCompression: compressionGzip, compressMinBytes: 0 },
]

const called = new Set()

// A client that notes what it was asked for.
function clientOf(service, transport) {
	const inner = createClient(service, transport)
	return new Proxy(inner, { get(t, name) {
		return (...args) => { called.add(`${service.typeName}/${name}`); return t[name](...args) }
	} })
}

// What differs between two runs of the same: pids, ids, times, the form's folder.
function plain(v) {
	const text = JSON.stringify(v, (k, x) => k === 'pid' ? 'PID' : k === 'watcherId' ? 'ID'
		: k === 'modifiedTime' ? (/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?Z$/.test(x) ? 'TIME' : x) : x)
	return JSON.parse(text.replace(/\/cc\/\d/g, '/cc/N').replace(/pid \d+/g, 'pid N').replace(/tag\d/g, 'tagN'))
}

async function failure(promise) {
	try { await promise } catch (e) {
		const c = ConnectError.from(e)
		return { code: Code[c.code], message: c.rawMessage }
	}
	return 'nothing was thrown'
}

// A call that hangs is one failure, not the end of all.
const within = (ms, promise) => Promise.race([promise, new Promise((_, no) =>
	setTimeout(() => no(new Error('did not end')), ms).unref())])

async function drain(stream) { for await (const _ of stream) ; }

// All of a process: outputs put together, since reads cut them anywhere.
async function all(stream) {
	const out = { stdout: [], stderr: [], pty: [] }, rest = []
	for await (const m of stream) {
		const ev = m.event.event
		if (ev.case === 'data') out[ev.value.output.case].push(Buffer.from(ev.value.output.value))
		else if (ev.case !== 'keepalive') rest.push(toJson(schema(m.$typeName), m))
	}
	for (const k in out) out[k] = Buffer.concat(out[k]).toString('base64')
	return { ...out, rest }
}

const sh = (script, more = {}) => ({ process: { cmd: '/bin/sh', args: ['-c', script], ...more } })
const bytes = s => new TextEncoder().encode(s)

async function started(stream) {
	const it = stream[Symbol.asyncIterator]()
	const first = (await it.next()).value
	return { pid: first.event.event.value.pid, rest: { [Symbol.asyncIterator]: () => it } }
}

// Each gives back what must be the same in every form.
const calls = {
	async makeDir({ fs, dir }) {
		return [toJson(schema('filesystem.MakeDirResponse'), await fs.makeDir({ path: dir + '/a/b' })),
			await failure(fs.makeDir({ path: dir + '/a' }))]
	},
	async stat({ fs, dir }) {
		const put = await fetch(`${base}/files?path=${dir}/f`, { method: 'POST', body: 'hello',
			headers: { 'Content-Type': 'application/octet-stream', 'X-Metadata-Color': 'blue' } })
		eq(put.status, 200, 'upload')
		const r = await fs.stat({ path: dir + '/f' })
		eq([r.entry.name, r.entry.type, r.entry.size, r.entry.mode, typeof r.entry.modifiedTime.seconds],
			['f', 1, 5n, 0o644, 'bigint'], 'entry')
		return [toJson(schema('filesystem.StatResponse'), r), await failure(fs.stat({ path: dir + '/none' })),
			await failure(fs.stat({ path: '~x' }))]
	},
	async large({ fs, proc, dir }) {
		await drain(proc.start(sh(`truncate -s 5368709120 ${dir}/big; ln -s f ${dir}/l; ln -s no ${dir}/no; mkfifo ${dir}/p; : > ${dir}/far; touch -d @300000000000 ${dir}/far`)))
		const r = []
		for (const n of ['big', 'l', 'no', 'p', 'far'])
			r.push(toJson(schema('filesystem.StatResponse'), await fs.stat({ path: `${dir}/${n}` })))
		eq(r[0].entry.size, '5368709120', '5 GiB')
		// FreeBSD's touch(1) knows four digits of a year.
		eq(r[4].entry.modifiedTime, /^20/.test(r[4].entry.modifiedTime) ? r[4].entry.modifiedTime : undefined, 'the year 11476')
		return r
	},
	async listDir({ fs, dir }) {
		const r = await fs.listDir({ path: dir, depth: 3 })
		check(r.entries.length === 8, `8 entries: ${r.entries.length}`)
		return [toJson(schema('filesystem.ListDirResponse'), r), await failure(fs.listDir({ path: dir + '/f' })),
			await failure(fs.listDir({ path: dir + '/none' })), (await fs.listDir({ path: dir + '/a/b' })).entries]
	},
	async listMany({ fs, proc, dir }) {
		await drain(proc.start(sh(`mkdir ${dir}/m; cd ${dir}/m; for i in $(seq 1000 1999); do : >file-$i-€; done`)))
		const r = await fs.listDir({ path: dir + '/m' })
		await fs.remove({ path: dir + '/m' })
		return [r.entries.length, r.entries.map(e => e.name).join()]
	},
	async move({ fs, dir }) {
		return [toJson(schema('filesystem.MoveResponse'), await fs.move({ source: dir + '/f', destination: dir + '/x/g' })),
			await failure(fs.move({ source: dir + '/f', destination: dir + '/y' }))]
	},
	async remove({ fs, dir }) {
		return [await fs.remove({ path: dir + '/x' }), await fs.remove({ path: dir + '/x' }),
			await failure(fs.stat({ path: dir + '/x' }))].map(String)
	},
	async watchDir({ fs, dir }) {
		const end = new AbortController(), seen = []
		await fs.makeDir({ path: dir + '/w/sub' })
		const stream = fs.watchDir({ path: dir + '/w', recursive: true, includeEntry: true },
			{ signal: end.signal, headers: { 'Keepalive-Ping-Interval': '1' } })
		const last = await failure((async () => {
			for await (const m of stream) {
				if (m.event.case === 'start') {
					eq(m.event.value.$typeName, 'filesystem.WatchDirResponse.StartEvent', 'start')
					await fetch(`${base}/files?path=${dir}/w/sub/f`, { method: 'POST', body: 'x',
						headers: { 'Content-Type': 'application/octet-stream' } })
					await fs.remove({ path: dir + '/w/sub/f' })
				}
				seen.push(toJson(schema('filesystem.WatchDirResponse'), m))
				if (m.event.case === 'keepalive') end.abort()
			}
		})())
		eq(last.code, 'Canceled', 'abort')
		eq(seen.map(x => x.filesystem?.type ?? Object.keys(x)[0]), ['start', 'EVENT_TYPE_CREATE', 'EVENT_TYPE_CHMOD',
			'EVENT_TYPE_WRITE', 'EVENT_TYPE_REMOVE', 'keepalive'], 'events')
		return [seen, await failure(drain(fs.watchDir({ path: dir + '/none' }))),
			await failure(drain(fs.watchDir({ path: dir + '/w' }, { headers: { 'Connect-Timeout-Ms': '100' } })))]
	},
	async watcher({ fs, dir }) {
		const { watcherId } = await fs.createWatcher({ path: dir + '/w', includeEntry: true })
		check(/^w[a-z0-9]{20}$/.test(watcherId), 'id ' + watcherId)
		const none = await fs.getWatcherEvents({ watcherId })
		await fs.makeDir({ path: dir + '/w/d' })
		const some = await fs.getWatcherEvents({ watcherId })
		return [none.events.length, toJson(schema('filesystem.GetWatcherEventsResponse'), some),
			String(await fs.removeWatcher({ watcherId })), (await failure(fs.getWatcherEvents({ watcherId }))).code]
	},
	async start({ proc, dir }) {
		return [await all(proc.start(sh('printf "a\\377\\000b"; echo err >&2; echo $A ${PWD%/*}; exit 3',
			{ envs: { A: 'ü', B: '' }, cwd: dir }))),
		await all(proc.start({ process: { cmd: 'nosuch' } })),
		await all(proc.start(sh('kill -KILL $$'))),
		await all(proc.start({ ...sh('read x; echo $?'), stdin: false })),
		await failure(drain(proc.start({ process: { cmd: 'true', cwd: dir + '/none' } })))]
	},
	async output({ proc }) {
		const r = await all(proc.start(sh('head -c 3000000 /dev/zero | tr "\\0" x')))
		eq(Buffer.from(r.stdout, 'base64').toString(), 'x'.repeat(3000000), '3 MB')
		return r.rest
	},
	async input({ proc, n }) {
		const p = await started(proc.start({ ...sh('cat'), tag: 'tag' + n }))
		const list = await proc.list({})
		await proc.sendInput({ process: { selector: { case: 'pid', value: p.pid } },
			input: { input: { case: 'stdin', value: bytes('one\n') } } })
		const second = proc.connect({ process: { selector: { case: 'tag', value: 'tag' + n } } })
		const q = await started(second)
		eq(q.pid, p.pid, 'the same process')
		const target = { selector: { case: 'pid', value: p.pid } }
		await proc.streamInput((async function* () {
			yield { event: { case: 'start', value: { process: target } } }
			for (let i = 0; i < 20; i++)
				yield { event: { case: 'data', value: { input: { input: { case: 'stdin', value: bytes(`line ${i}\n`) } } } } }
			yield { event: { case: 'keepalive', value: {} } }
			yield { event: { case: 'data', value: { input: { input: { case: 'stdin', value: new Uint8Array(300000).fill(65) } } } } }
		})())
		await proc.closeStdin({ process: target })
		const [a, b] = await Promise.all([all(p.rest), all(q.rest)])
		check(Buffer.from(b.stdout, 'base64').toString().endsWith('line 19\n' + 'A'.repeat(300000)), 'second listener')
		eq(toJson(schema('process.ListResponse'), await proc.list({})), {}, 'nothing left')
		return [toJson(schema('process.ListResponse'), list), a, b.rest,
			await all(proc.connect({ process: target })), await failure(proc.sendInput({ process: target, input: {
				input: { case: 'stdin', value: bytes('x') } } }))]
	},
	async streamErrors({ proc }) {
		const data = { event: { case: 'data', value: { input: { input: { case: 'stdin', value: bytes('x') } } } } }
		const of = async function* (...m) { yield* m }
		return [await failure(proc.streamInput(of(data))), String(await proc.streamInput(of())),
			await failure(proc.streamInput(of({ event: { case: 'start', value: {
				process: { selector: { case: 'tag', value: 'nobody' } } } } })))]
	},
	async pty({ proc }) {
		const p = await started(proc.start({ process: { cmd: '/bin/sh', args: ['-c', 'stty size; read x; stty size; echo "[$x]"'] },
			pty: { size: { cols: 80, rows: 24 } } }))
		const process = { selector: { case: 'pid', value: p.pid } }
		await new Promise(r => setTimeout(r, 200))
		await proc.update({ process, pty: { size: { cols: 100, rows: 30 } } })
		await proc.sendInput({ process, input: { input: { case: 'pty', value: bytes('typed\n') } } })
		const r = await all(p.rest), text = Buffer.from(r.pty, 'base64').toString()
		check(/24 80\r\n/.test(text) && /30 100\r\n\[typed\]\r\n$/.test(text), 'terminal: ' + JSON.stringify(text))
		const q = await started(proc.start({ process: { cmd: 'cat' }, pty: {} }))
		const bad = await failure(proc.closeStdin({ process: { selector: { case: 'pid', value: q.pid } } }))
		await proc.sendInput({ process: { selector: { case: 'pid', value: q.pid } },
			input: { input: { case: 'pty', value: new Uint8Array([4]) } } })
		return [r.rest, bad, (await all(q.rest)).rest]
	},
	async signals({ proc }) {
		const r = []
		for (const signal of [9, 15, 0, 2]) {
			const p = await started(proc.start({ process: { cmd: 'sleep', args: ['100'] } }))
			const process = { selector: { case: 'pid', value: p.pid } }
			r.push(await failure(proc.sendSignal({ process, signal }).then(() => { throw new ConnectError('done') })))
			if (signal !== 9 && signal !== 15) await proc.sendSignal({ process, signal: 9 })
			r.push((await all(p.rest)).rest)
		}
		return r
	},
	async selectors({ proc }) {
		const r = []
		for (const selector of [{ case: undefined }, { case: 'pid', value: 0 }, { case: 'pid', value: 4294967295 },
			{ case: 'tag', value: '' }, { case: 'tag', value: 'nobody' }]) {
			r.push(await failure(proc.update({ process: { selector } })), await failure(proc.closeStdin({ process: { selector } })),
				await failure(proc.sendSignal({ process: { selector }, signal: 9 })), await failure(proc.sendInput({ process: { selector } })),
				await failure(drain(proc.connect({ process: { selector } }))))
		}
		return r
	},
	async deadlines({ proc }) {
		const p = await started(proc.start({ process: { cmd: 'sleep', args: ['100'] } }))
		const process = { selector: { case: 'pid', value: p.pid } }, headers = { 'Connect-Timeout-Ms': '150' }
		const big = { input: { case: 'stdin', value: new Uint8Array(1 << 20) } }
		const r = [await failure(proc.sendInput({ process, input: big }, { headers })),
			await failure(proc.streamInput((async function* () {
				yield { event: { case: 'start', value: { process } } }
				yield { event: { case: 'data', value: { input: big } } }
			})(), { headers })),
			await failure(drain(proc.connect({ process }, { headers }))),
			await failure(drain(proc.start({ process: { cmd: 'sleep', args: ['7'] } }, { headers })))]
		await proc.sendSignal({ process, signal: 9 })
		await drain(p.rest)
		for (let i = 0; i < 50 && (await proc.list({})).processes.length > 0; i++)
			await new Promise(f => setTimeout(f, 20))
		eq((await proc.list({})).processes.length, 0, 'a deadline kills what was started')
		for (const x of r) eq(x, { code: 'DeadlineExceeded', message: 'context deadline exceeded' }, 'deadline')
		return r
	},
}

await drain(createClient(services.proc, createConnectTransport({ baseUrl: base, httpVersion: '1.1' }))
	.start(sh('mkdir -p /cc && chmod 777 /cc')))
const answers = []
for (const [n, form] of forms.entries()) {
	const transport = createConnectTransport({ baseUrl: base, httpVersion: '1.1', ...form })
	const on = { n, dir: '/cc/' + n, fs: clientOf(services.fs, transport), proc: clientOf(services.proc, transport) }
	called.clear()
	answers.push({})
	for (const [name, call] of Object.entries(calls)) {
		try {
			answers[n][name] = plain(await within(20000, call(on)))
			if (n > 0) eq(answers[n][name], answers[0][name], `${name}: ${form.name} and json`)
		} catch (e) { check(false, `${form.name}: ${name}: ${e.stack}`) }
	}
	for (const s of Object.values(services))
		for (const m of s.methods)
			check(called.has(`${s.typeName}/${m.localName}`), `${m.name} was not called in ${form.name}`)
}
try { await rawTests({ base, check, eq }) } catch (e) { check(false, `raw: ${e.stack}`) }
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
