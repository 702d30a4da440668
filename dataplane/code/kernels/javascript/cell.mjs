/*
 * cell.mjs - a cell's text, as typed, into a script that can be run after others.
 *
 * What a cell declares on its top level becomes a variable of the global object,
 * so that the next cell sees it and may declare it anew.  A cell that waits, or
 * imports, becomes the body of an async function whose last expression is its
 * value; any other stays what it is, and has the value of its last statement.
 *
 * TypeScript is tried on what is no JavaScript: it takes its time to load.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/* Debian's modules are there for any node, not only for Debian's own. */
function debian(name) {
	try {
		return require('/usr/share/nodejs/' + name);
	} catch {
		return require(name);
	}
}

const acorn = debian('acorn');

function parse(code) {
	return acorn.parse(code, {
		ecmaVersion: 'latest',
		sourceType: 'script',
		allowImportExportEverywhere: true,
		allowAwaitOutsideFunction: true,
		allowHashBang: true,
	});
}

let typescript;

function without_types(code) {
	typescript ??= debian('typescript');
	const ts = typescript;
	const { outputText, diagnostics } = ts.transpileModule(code, {
		reportDiagnostics: true,
		compilerOptions: {
			target: ts.ScriptTarget.ES2022,
			module: ts.ModuleKind.ESNext,
			isolatedModules: true,
			// The next cell may be the one that uses it.
			preserveValueImports: true,
		},
	});

	if (diagnostics.length > 0)
		return null;
	return outputText;
}

/* What it is as JavaScript; null if it is none: V8 then says why. */
function read(code) {
	try {
		return { code, tree: parse(code) };
	} catch (error) {
		try {
			const js = without_types(code);
			return js === null ? null : { code: js, tree: parse(js) };
		} catch {
			return null;
		}
	}
}

/* --- looking --------------------------------------------------------------- */

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression',
	'ArrowFunctionExpression', 'PropertyDefinition', 'StaticBlock']);

/* Every node that runs with the cell itself, not inside of a function. */
function* nodes(node) {
	yield node;
	if (FUNCTIONS.has(node.type))
		return;
	for (const value of Object.values(node))
		for (const child of Array.isArray(value) ? value : [value])
			if (typeof child?.type === 'string')
				yield* nodes(child);
}

function waits(tree) {
	for (const n of nodes(tree))
		if (n.type === 'AwaitExpression' || n.type === 'ImportDeclaration' ||
		    (n.type === 'ForOfStatement' && n.await) ||
		    n.type.startsWith('Export') && n.source)
			return true;
	return false;
}

function* bound(pattern) {
	switch (pattern?.type) {
	case 'Identifier':
		yield pattern.name;
		break;
	case 'ObjectPattern':
		for (const p of pattern.properties)
			yield* bound(p.type === 'RestElement' ? p.argument : p.value);
		break;
	case 'ArrayPattern':
		for (const p of pattern.elements)
			yield* bound(p);
		break;
	case 'AssignmentPattern':
		yield* bound(pattern.left);
		break;
	case 'RestElement':
		yield* bound(pattern.argument);
		break;
	}
}

function* declared(declaration) {
	for (const d of declaration.declarations)
		yield* bound(d.id);
}

/* --- changing -------------------------------------------------------------- */

/* Edits of a text by position; those at one place keep their order. */
class Edits {
	constructor(code) {
		this.code = code;
		this.list = [];
	}

	replace(start, end, text) {
		this.list.push({ start, end, text, n: this.list.length });
	}

	insert(at, text) {
		this.replace(at, at, text);
	}

	remove(node) {
		this.replace(node.start, node.end, '');
	}

	toString() {
		let out = '', at = 0;

		this.list.sort((a, b) => a.start - b.start || a.n - b.n);
		for (const e of this.list) {
			out += this.code.slice(at, e.start) + e.text;
			at = Math.max(at, e.end);
		}
		return out + this.code.slice(at);
	}
}

/* `export` means nothing to the next cell, but what it stands before does. */
function strip_exports(tree, edits) {
	const body = [];

	for (const s of tree.body) {
		const inner = s.declaration;

		if (!s.type.startsWith('Export')) {
			body.push(s);
		} else if (!inner) {
			edits.remove(s);
		} else {
			edits.replace(s.start, inner.start, '');
			body.push(/(Function|Class)Declaration$/.test(inner.type) && !inner.id ?
			    { ...inner, type: 'Anonymous' } : inner);
		}
	}
	return body;
}

/* In place: declarations stay declarations, of the kind that may come again. */
function keep_script(code, tree) {
	const edits = new Edits(code);

	for (const s of strip_exports(tree, edits)) {
		if (s.type === 'Anonymous') {
			edits.insert(s.start, '(');
			edits.insert(s.end, ')');
		} else if (s.type === 'ClassDeclaration') {
			edits.insert(s.start, `var ${s.id.name} = `);
			edits.insert(s.end, ';');
		} else if (s.type === 'VariableDeclaration' && s.kind !== 'var') {
			// As wide as it was: columns stay what they were.
			edits.replace(s.start, s.start + s.kind.length, 'var'.padEnd(s.kind.length));
			for (const d of s.declarations)
				if (d.init === null)
					edits.insert(d.end, ' = undefined');
			if (code[s.end - 1] !== ';')
				edits.insert(s.end, ';');
		}
	}
	return { script: edits.toString(), before: 0 };
}

function assign(edits, s, loop) {
	const first = s.declarations[0].start;
	const ended = loop || edits.code[s.end - 1] === ';';

	edits.replace(s.start, first, loop ? '' : 'void (');
	for (const d of s.declarations) {
		edits.insert(d.start, '(');
		if (d.init === null)
			edits.insert(d.end, s.kind === 'var' ? '' : ' = undefined');
		edits.insert(d.end, ')');
	}
	if (!loop)
		edits.insert(s.declarations.at(-1).end, ended ? ')' : ');');
}

function assign_each(edits, s, names) {
	names.push(...declared(s));
	edits.replace(s.start, s.declarations[0].start, '');
}

/* Loops and blocks have variables of the cell too, if they say `var`. */
function assign_vars(edits, tree, names) {
	const loops = new Map();

	for (const n of nodes(tree)) {
		if (n.type === 'ForStatement')
			loops.set(n.init, assign);
		else if (n.type === 'ForInStatement' || n.type === 'ForOfStatement')
			loops.set(n.left, assign_each);
		if (n.type !== 'VariableDeclaration' || n.kind !== 'var' ||
		    tree.body.includes(n))
			continue;
		if (loops.get(n) === assign_each) {
			assign_each(edits, n, names);
		} else {
			names.push(...declared(n));
			assign(edits, n, loops.has(n));
		}
	}
}

function import_of(s, names) {
	const from = JSON.stringify(s.source.value);
	const takes = [];

	for (const p of s.specifiers) {
		names.push(p.local.name);
		if (p.type === 'ImportNamespaceSpecifier')
			takes.push(`${p.local.name} = m;`);
		else
			takes.push(`${p.local.name} = $import.pick(m, ${JSON.stringify(
			    p.type === 'ImportDefaultSpecifier' ? 'default' :
			    p.imported.name ?? p.imported.value)}, ${from});`);
	}
	return `{ const m = await $import(${from}); ${takes.join(' ')} }`;
}

/* The names go before the function, which assigns to them. */
function keep_async(code, tree) {
	const edits = new Edits(code), names = [], hoisted = [];
	const body = strip_exports(tree, edits);
	const last = body.at(-1);

	assign_vars(edits, { ...tree, body }, names);
	for (const s of body) {
		switch (s.type) {
		case 'ImportDeclaration':
			edits.replace(s.start, s.end, import_of(s, names));
			break;
		case 'VariableDeclaration':
			names.push(...declared(s));
			assign(edits, s, false);
			break;
		case 'ClassDeclaration':
			names.push(s.id.name);
			edits.insert(s.start, `${s.id.name} = `);
			edits.insert(s.end, ';');
			break;
		case 'FunctionDeclaration':
			names.push(s.id.name);
			hoisted.push(`globalThis.${s.id.name} = ${s.id.name};`);
			break;
		case 'Anonymous':
			edits.insert(s.start, s === last ? 'return (' : '(');
			edits.insert(s.end, ');');
			break;
		}
	}
	if (last?.type === 'ExpressionStatement') {
		edits.insert(last.start, 'return (');
		edits.insert(last.expression.end, ')');
	}
	const vars = names.length > 0 ? `var ${[...new Set(names)].join(', ')}; ` : '';
	const before = `${vars}(async () => { ${hoisted.join(' ')}`;
	return { script: `${before}${edits}\n})()`, before: before.length };
}

/* { script, before }: what to run, and how far its first line moved. */
export function prepare(code) {
	const cell = read(code);

	if (cell === null)
		return { script: code, before: 0 };
	return waits(cell.tree) ? keep_async(cell.code, cell.tree) :
	    keep_script(cell.code, cell.tree);
}
