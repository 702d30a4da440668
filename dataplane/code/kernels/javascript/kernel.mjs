/*
 * kernel.mjs - JavaScript and TypeScript for coppice-code: NDJSON on descriptor 3.
 *
 * Code runs in our own realm, as it would in node's REPL.  It may change all of
 * the global object, so what we need of it we take before.
 */
import fs from 'node:fs';
import module from 'node:module';
import net from 'node:net';
import path from 'node:path';
import url from 'node:url';
import util from 'node:util';
import vm from 'node:vm';

import { prepare } from './cell.mjs';

const { process, setTimeout, clearTimeout, Buffer, Promise, Error, JSON } = globalThis;
const CHANNEL = 3;
const exit = process.exit.bind(process);

/* --- messages -------------------------------------------------------------- */

const pause = new Int32Array(new SharedArrayBuffer(4));

/* At once, also from code that never gives the loop a turn; waits for room. */
function send(type, id, content) {
	let bytes = Buffer.from(JSON.stringify({ type, id, content }) + '\n');

	while (bytes.length > 0) {
		try {
			bytes = bytes.subarray(fs.writeSync(CHANNEL, bytes));
		} catch (error) {
			if (error.code !== 'EAGAIN')
				exit(1);
			Atomics.wait(pause, 0, 0, 1);
		}
	}
}

/* Of whatever was asked last: timers print when the cell is over. */
let id;

function capture(stream, name) {
	const write = function (chunk, encoding, done) {
		const text = typeof chunk === 'string' ? chunk :
		    Buffer.from(chunk).toString();

		if (text !== '')
			send('stream', id, { name, text });
		if (typeof encoding === 'function')
			done = encoding;
		if (typeof done === 'function')
			process.nextTick(done);
		return true;
	};

	stream.write = write;
}

/* --- what values look like -------------------------------------------------- */

const MIME = {
	_toHtml: 'text/html', _toMarkdown: 'text/markdown', _toSvg: 'image/svg+xml',
	_toPng: 'image/png', _toJpeg: 'image/jpeg', _toLatex: 'text/latex',
	_toJson: 'application/json',
};

function bundle(value) {
	const data = { 'text/plain': util.inspect(value) };

	if (value === null || typeof value !== 'object')
		return data;
	for (const [method, mime] of Object.entries(MIME))
		if (typeof value[method] === 'function')
			data[mime] = value[method]();
	if (typeof value._toMime === 'function')
		Object.assign(data, value._toMime());
	return data;
}

function problem(error) {
	if (error instanceof Interrupted || error?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED')
		return { ename: 'KeyboardInterrupt', evalue: '', traceback: ['KeyboardInterrupt'] };
	if (error instanceof Exit)
		return { ename: 'SystemExit', evalue: error.message, traceback: [`SystemExit: ${error.message}`] };
	if (!util.types.isNativeError(error) && !(error instanceof Error)) {
		const text = util.inspect(error);
		return { ename: 'Error', evalue: text, traceback: [`Uncaught ${text}`] };
	}
	return {
		ename: String(error.name), evalue: String(error.message),
		traceback: [String(error.stack ?? error)],
	};
}

/* As node has it, without the frames below the cell, which are ours. */
Error.prepareStackTrace = (error, frames) => {
	const ours = frames.findIndex((f) => f.getFileName() === import.meta.url);
	const theirs = ours < 0 ? frames : frames.slice(0, ours);
	let text;

	while (theirs.at(-1)?.getFileName() === 'node:vm')
		theirs.pop();
	try {
		text = Error.prototype.toString.call(error);
	} catch {
		text = '<error>';
	}
	return [text, ...theirs].join('\n    at ');
};

/* --- modules ---------------------------------------------------------------- */

/* As from a file in the directory that the code is in now. */
function here() {
	return path.join(process.cwd(), 'cell.mjs');
}

function local_require(name) {
	return module.createRequire(here())(name);
}
Object.assign(local_require, {
	resolve: (name, options) => module.createRequire(here()).resolve(name, options),
	cache: module.createRequire(import.meta.url).cache,
});

async function local_import(name) {
	if (name.endsWith('.json'))
		return { default: local_require(name) };
	try {
		return await import(await import.meta.resolve(name, url.pathToFileURL(here()).href));
	} catch (error) {
		// What only require finds: Debian's own modules, NODE_PATH.
		if (error?.code !== 'ERR_MODULE_NOT_FOUND' || /^[./]/.test(name))
			throw error;
		let file;
		try {
			file = local_require.resolve(name);
		} catch {
			throw error;
		}
		return import(url.pathToFileURL(file).href);
	}
}

/* A CommonJS module may have more names than its text shows. */
local_import.pick = (m, name, from) => {
	if (name in m)
		return m[name];
	if (m.default !== null && typeof m.default === 'object' && name in m.default)
		return m.default[name];
	throw new SyntaxError(`The requested module '${from}' does not provide an export named '${name}'`);
};

/* --- execution -------------------------------------------------------------- */

class Interrupted extends Error {}
class Exit extends Error {}

let count = 0, cells = 0, interrupt = null;

function run(code) {
	const { script, before } = prepare(code);

	return vm.runInThisContext(script, {
		filename: `cell ${++cells}`,
		columnOffset: -before,
		breakOnSigint: true,
		importModuleDynamically: local_import,
	});
}

/* A promise is worth what it comes to; what never comes can be interrupted. */
async function value_of(code) {
	const interrupted = new Promise((_, reject) => {
		interrupt = () => reject(new Interrupted());
	});

	try {
		return await Promise.race([run(code), interrupted]);
	} finally {
		interrupt = null;
		interrupted.catch(() => {});
	}
}

async function execute({ code, silent = false, store_history = !silent }) {
	let reply;

	if (store_history && !silent)
		count++;
	if (!silent)
		send('execute_input', id, { code, execution_count: count });
	try {
		const value = await value_of(code);
		if (!silent && value !== undefined)
			send('execute_result', id,
			    { execution_count: count, data: bundle(value), metadata: {} });
		reply = { status: 'ok', payload: [], user_expressions: {} };
	} catch (error) {
		const said = problem(error);
		if (!silent)
			send('error', id, said);
		reply = { status: 'error', ...said };
	}
	send('execute_reply', id, { ...reply, execution_count: count });
}

let turn = Promise.resolve();

function take(message) {
	if (message.type === 'shutdown_request')
		exit(0);
	if (message.type !== 'execute_request')
		return;
	turn = turn.then(async () => {
		id = message.id;
		send('status', id, { execution_state: 'busy' });
		await execute(message.content);
		send('status', id, { execution_state: 'idle' });
	});
}

/* --- start ------------------------------------------------------------------ */

function globals() {
	const all = {
		require: local_require, module: { exports: {} }, $import: local_import,
		display: (value) => send('display_data', id, { data: bundle(value), metadata: {} }),
	};

	all.exports = all.module.exports;
	for (const [name, value] of Object.entries(all))
		Object.defineProperty(globalThis, name,
		    { value, writable: true, configurable: true, enumerable: false });
	process.exit = (status = process.exitCode ?? 0) => {
		throw new Exit(String(status));
	};
}

function late(error) {
	if (!(error instanceof Exit))
		send('stream', id, { name: 'stderr', text: `${problem(error).traceback[0]}\n` });
}

function listen() {
	const channel = new net.Socket({ fd: CHANNEL, readable: true, writable: false });
	let rest = '';

	channel.setEncoding('utf8');
	channel.on('data', (text) => {
		const lines = (rest + text).split('\n');
		rest = lines.pop();
		for (const line of lines)
			take(JSON.parse(line));
	});
	channel.on('close', () => exit(0));
	channel.on('error', () => exit(1));
}

process.on('SIGINT', () => interrupt?.());
process.on('uncaughtException', late);
process.on('unhandledRejection', late);
process.removeAllListeners('warning');
process.on('warning', (w) => {
	if (w.name !== 'ExperimentalWarning')
		send('stream', id, { name: 'stderr', text: `(node) ${w.name}: ${w.message}\n` });
});
capture(process.stdout, 'stdout');
capture(process.stderr, 'stderr');
globals();
listen();
send('ready');
