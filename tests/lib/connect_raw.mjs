// connect_raw.mjs - what a well-behaved Connect client never sends: bytes and
// headers by hand, for connect_suite.mjs.
import { gunzipSync, gzipSync } from 'node:zlib'

const P = '/process.Process/', FS = '/filesystem.Filesystem/'

const envelope = (data, flags = 0) => {
	const head = Buffer.alloc(5)
	head[0] = flags
	head.writeUInt32BE(data.length, 1)
	return Buffer.concat([head, data])
}

function envelopes(body) {
	const out = []
	while (body.length >= 5) {
		const n = body.readUInt32BE(1)
		out.push([body[0], body.subarray(5, 5 + n)])
		body = body.subarray(5 + n)
	}
	return out
}

// { path: '/' } and { process: { cmd: 'true' } }
const root = Buffer.from('\x0a\x01/'), start = Buffer.from('\x0a\x06\x0a\x04true')
const js = o => Buffer.from(JSON.stringify(o))

export async function rawTests({ base, check, eq }) {
	// Not fetch(): that asks for gzip and unpacks by itself.
	const http = await import('node:http')
	const post = (path, body, headers = {}) => new Promise((done, fail) => {
		const r = http.request(base + path, { method: 'POST', headers: { 'Content-Length': body.length, ...headers } }, m => {
			const parts = []
			m.on('data', p => parts.push(p))
			m.on('end', () => done({ status: m.statusCode, h: m.headers, body: Buffer.concat(parts) }))
		})
		r.on('error', fail)
		r.end(body)
	})
	const unary = (body, headers = {}) => post(FS + 'Stat', body, { 'Content-Type': 'application/proto', ...headers })
	const stream = (body, headers = {}) =>
		post(P + 'Start', body, { 'Content-Type': 'application/connect+proto', ...headers })
	const code = r => JSON.parse(r.body).code
	const ended = r => {
		const all = envelopes(r.body), [flags, last] = all.at(-1) ?? [0, Buffer.from('{}')]
		return flags === 2 ? JSON.parse(last).error?.code ?? 'ok' : 'no end'
	}

	// Types: the reply's is the request's, errors are JSON.
	let r = await unary(root)
	eq([r.status, r.h['content-type'], r.h['accept-encoding']], [200, 'application/proto', 'gzip'], 'binary reply')
	r = await unary(Buffer.from('\x0a\x05/'))
	eq([r.status, r.h['content-type'], code(r)], [400, 'application/json', 'invalid_argument'], 'cut message')
	r = await unary(Buffer.from([0x0a, 2, 0xc3, 0x28]))
	eq(code(r), 'invalid_argument', 'not UTF-8')
	r = await unary(Buffer.from('\x0a\x05/none'))
	eq([r.status, r.h['content-type'], JSON.parse(r.body)], [404, 'application/json',
		{ code: 'not_found', message: 'file not found: /none' }], 'error of a binary call')
	for (const type of ['application/json', 'Application/JSON', 'application/json;charset=UTF-8', 'application/json; charset="utf-8"']) {
		r = await unary(js({ path: '/' }), { 'Content-Type': type })
		eq([r.status, r.h['content-type']], [200, type.includes('set') ? 'application/json; charset=utf-8' : 'application/json'], type)
	}
	r = await stream(envelope(start))
	eq([r.status, r.h['content-type'], r.h['connect-accept-encoding'], r.h['connect-content-encoding'], ended(r)],
		[200, 'application/connect+proto', 'gzip', undefined, 'ok'], 'binary stream')
	r = await stream(envelope(js({ process: { cmd: 'true' } })), { 'Content-Type': 'application/connect+json; charset=utf-8' })
	eq([r.h['content-type'], ended(r)], ['application/connect+json; charset=utf-8', 'ok'], 'stream with a charset')
	r = await stream(envelope(start), { Authorization: 'Basic ' + btoa('nobodyhere:') })
	eq([r.status, r.h['content-type'], ended(r)], [200, 'application/connect+proto', 'unauthenticated'], 'unknown user')
	for (const type of ['application/connect+proto', 'application/grpc', 'application/proto; charset=utf-8', 'application/jsonx', 'text/plain'])
		eq((await unary(root, { 'Content-Type': type })).status, 415, `unary of ${type}`)
	for (const type of ['application/proto', 'application/json', 'application/connect+xml', 'application/connect+proto; charset=utf-8'])
		eq((await stream(envelope(start), { 'Content-Type': type })).status, 415, `stream of ${type}`)
	for (const method of ['GET', 'PUT', 'DELETE']) {
		const m = await fetch(base + FS + 'Stat?encoding=json&message={}', { method })
		eq([m.status, m.headers.get('allow')], [405, 'POST'], method)
	}

	// Versions and timeouts.
	for (const [value, want] of [['1', 200], ['', 200], ['2', 400], ['1.0', 400]])
		eq((await unary(root, { 'Connect-Protocol-Version': value })).status, want, `version "${value}"`)
	for (const [value, want] of [['9999999999', 200], ['', 200], ['+500', 200], ['10000000000', 400], ['-1234567890', 400],
		['1e3', 400], ['1.5', 400], ['x', 400], ['-', 400]])
		eq((await unary(root, { 'Connect-Timeout-Ms': value })).status, want, `timeout "${value}"`)
	for (const value of ['0', '-5'])
		eq(ended(await stream(envelope(Buffer.from('\x0a\x0c\x0a\x05sleep\x12\x033.5')), { 'Connect-Timeout-Ms': value })),
			'deadline_exceeded', `timeout ${value}`)
	eq(ended(await stream(envelope(start), { 'Connect-Timeout-Ms': 'x' })), 'invalid_argument', 'stream timeout')
	eq(ended(await stream(envelope(start), { 'Connect-Protocol-Version': '2' })), 'invalid_argument', 'stream version')
	for (const value of ['0', '-1', '-9223372036854775808', '99999999999999999999', 'x', '']) {
		r = await post(FS + 'WatchDir', envelope(root), { 'Content-Type': 'application/connect+proto',
			'Keepalive-Ping-Interval': value, 'Connect-Timeout-Ms': '100' })
		eq([envelopes(r.body).length, ended(r)], [2, 'deadline_exceeded'], `keepalive ${value}`)
	}

	// Packed, in and out.
	r = await unary(gzipSync(root), { 'Content-Encoding': 'gzip' })
	eq([r.status, r.h['content-encoding']], [200, undefined], 'packed request')
	eq((await unary(Buffer.alloc(0), { 'Content-Encoding': 'gzip' })).status, 200, 'an empty one')
	eq(code(await unary(root, { 'Content-Encoding': 'gzip' })), 'invalid_argument', 'not packed')
	eq(code(await unary(gzipSync(root).subarray(0, -9), { 'Content-Encoding': 'gzip' })), 'invalid_argument', 'cut')
	for (const coding of ['br', 'zstd', 'gzip, gzip'])
		eq((await unary(root, { 'Content-Encoding': coding })).status, 501, coding)
	eq((await unary(root, { 'Content-Encoding': 'identity' })).status, 200, 'identity')
	eq((await unary(gzipSync(Buffer.alloc(40 << 20)), { 'Content-Encoding': 'gzip' })).status, 429, 'a bomb')
	const list = (headers, type = 'application/proto') => post(FS + 'ListDir',
		type === 'application/proto' ? Buffer.from('\x0a\x04/etc') : js({ path: '/etc' }), { 'Content-Type': type, ...headers })
	for (const type of ['application/proto', 'application/json']) {
		const whole = await list({}, type)
		eq(whole.h['content-encoding'], undefined, 'nobody asked for gzip')
		check(whole.body.length > 4096, 'a listing that is worth it')
		for (const accept of ['gzip', 'deflate, gzip', 'br,gzip']) {
			r = await list({ 'Accept-Encoding': accept }, type)
			eq(r.h['content-encoding'], 'gzip', accept)
			check(r.body.length < whole.body.length && gunzipSync(r.body).equals(whole.body), `packed ${type}`)
		}
		for (const accept of ['identity', 'br', 'gzip;q=0', 'xgzip'])
			eq((await list({ 'Accept-Encoding': accept }, type)).h['content-encoding'], undefined, accept)
	}
	// 180 kB of output that packs well.
	const loud = Buffer.from('\x0a\x26\x0a\x07/bin/sh\x12\x02-c\x12\x17seq 10000 39999; exit 4')
	for (const form of ['proto', 'json']) {
		const type = { 'Content-Type': 'application/connect+' + form }
		const body = form === 'proto' ? loud : js({ process: { cmd: '/bin/sh', args: ['-c', 'seq 10000 39999; exit 4'] } })
		const bare = await stream(envelope(body), type)
		check(envelopes(bare.body).every(([f]) => f === 0 || f === 2), 'plain envelopes')
		r = await stream(envelope(gzipSync(body), 1), { ...type, 'Connect-Content-Encoding': 'gzip', 'Connect-Accept-Encoding': 'gzip' })
		const parts = envelopes(r.body)
		eq([r.h['connect-content-encoding'], ended(r)], ['gzip', 'ok'], 'packed stream')
		check(parts.some(([f]) => f === 1) && r.body.length < bare.body.length / 2, 'packed envelopes')
		const text = parts.map(([f, p]) => f === 1 ? gunzipSync(p) : p).map(p => form === 'proto' ? p.toString()
			: Buffer.from(JSON.parse(p).event?.data?.stdout ?? '', 'base64').toString()).join('')
		check(text.includes('10000\n10001') && text.includes('39999\n'), 'unpacked')
		eq((await stream(envelope(body), { ...type, 'Accept-Encoding': 'gzip' })).h['connect-content-encoding'], undefined,
			'Accept-Encoding says nothing about streams')
	}
	eq(ended(await stream(envelope(start), { 'Connect-Content-Encoding': 'br' })), 'unimplemented', 'stream of br')
	eq(ended(await stream(envelope(start, 1))), 'internal', 'flagged and not announced')
	eq(ended(await stream(envelope(start, 1), { 'Connect-Content-Encoding': 'gzip' })), 'invalid_argument', 'flagged and not packed')

	// Envelopes.
	eq(ended(await stream(Buffer.alloc(0))), 'unimplemented', 'zero messages')
	eq(ended(await stream(envelope(js({}), 2))), 'unimplemented', 'nothing but an end')
	eq(ended(await stream(Buffer.concat([envelope(start), envelope(start)]))), 'unimplemented', 'two messages')
	eq(ended(await stream(Buffer.concat([envelope(start), envelope(js({}), 2)]))), 'ok', 'a message and an end')
	eq(ended(await stream(envelope(start, 4))), 'internal', 'unknown flags')
	eq(ended(await stream(envelope(start).subarray(0, 9))), 'invalid_argument', 'cut')
	eq(ended(await stream(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]))), 'invalid_argument', 'four gigabytes')
	eq(ended(await stream(envelope(Buffer.alloc(0)))), 'ok', 'an empty message is one')
	const input = (...parts) => post(P + 'StreamInput', Buffer.concat(parts), { 'Content-Type': 'application/connect+proto' })
	const keepalive = envelope(Buffer.from([0x1a, 0]))
	for (const parts of [[], [keepalive], [keepalive, envelope(js({}), 2)], [envelope(js({}), 2), keepalive]]) {
		r = await input(...parts)
		eq([r.status, envelopes(r.body).map(([f, p]) => [f, String(p)])], [200, [[0, ''], [2, '{}']]], `${parts.length} messages`)
	}
	eq(ended(await input(envelope(Buffer.alloc(0)))), 'unimplemented', 'a message of nothing')
	eq(ended(await input(keepalive.subarray(0, 6))), 'invalid_argument', 'stream cut')
	eq(ended(await input(envelope(Buffer.from([0x12, 0])))), 'invalid_argument', 'data before the start')
	eq(ended(await input(envelope(Buffer.from([0x1a, 1])))), 'invalid_argument', 'broken message')
	eq(ended(await input(envelope(Buffer.alloc(0), 8))), 'internal', 'stream of unknown flags')
	eq(ended(await input(envelope(Buffer.alloc(3), 1))), 'internal', 'stream, flagged and not announced')
	eq(ended(await input(Buffer.from([0, 0x7f, 0, 0, 0, 1]))), 'resource_exhausted', 'a giant in a stream')

	// As many values as there are bytes.
	eq(ended(await stream(envelope(Buffer.alloc(4 << 20, Buffer.from([0x3a, 0]))))), 'ok', 'a crowd of unknown fields')
	const crowd = Buffer.alloc(4 << 20, Buffer.from([0x12, 0])), size = Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x02])
	eq(ended(await stream(envelope(Buffer.concat([size, crowd])))), 'resource_exhausted', 'a crowd of arguments')
	eq(ended(await stream(envelope(Buffer.from('{"process":{"args":[' + '"",'.repeat(1 << 20) + '""]}}')),
		{ 'Content-Type': 'application/connect+json' })), 'resource_exhausted', 'a crowd in JSON')

	// Who does not know today's fields gets none of them.
	const old = { 'User-Agent': 'connect-python' }
	for (const form of ['json', 'proto']) {
		r = await post(FS + 'Stat', form === 'json' ? js({ path: '/etc' }) : Buffer.from('\x0a\x04/etc'),
			{ ...old, 'Content-Type': 'application/' + form })
		eq([r.h['x-e2b-legacy-sdk'], form === 'json' ? JSON.parse(r.body) : r.body.toString()],
			['true', form === 'json' ? { entry: { name: 'etc', type: 'FILE_TYPE_DIRECTORY', path: '/etc' } }
				: '\x0a\x0d\x0a\x03etc\x10\x02\x1a\x04/etc'], 'legacy entry')
	}
	r = await list(old, 'application/json')
	check(JSON.parse(r.body).entries.every(e => Object.keys(e).every(k => ['name', 'type', 'path'].includes(k))), 'legacy list')
	eq((await post(P + 'List', js({}), { ...old, 'Content-Type': 'application/json' })).h['x-e2b-legacy-sdk'], undefined, 'processes')
	eq((await list({ 'User-Agent': 'connect-python/1' }, 'application/json')).h['x-e2b-legacy-sdk'], undefined, 'a newer one')
}
