"""The JavaScript and TypeScript kernel."""
import os

from lines import Kernel, case, finish, same

k = Kernel("javascript")


@case("messages come in Jupyter's order, with its contents")
def _():
    c = k.run("console.log('hi'); 1 + 1")
    same(c.types, ["status", "execute_input", "stream", "execute_result", "execute_reply", "status"])
    same(c.all("execute_input"), [{"code": "console.log('hi'); 1 + 1", "execution_count": 1}])
    same(c.all("stream"), [{"name": "stdout", "text": "hi\n"}])
    same(c.all("execute_result"), [{"execution_count": 1, "data": {"text/plain": "2"}, "metadata": {}}])
    same((c.reply["status"], c.reply["execution_count"]), ("ok", 1))
    c = k.run("globalThis.quiet = 1; 5", silent=True)
    same(c.types, ["status", "execute_reply", "status"])
    same(k.run("quiet").all("execute_result")[0]["execution_count"], 2)


@case("what a cell declares is there for the next, and may be declared again")
def _():
    for code, text in (("const x = 1; x", "1"), ("let x = 2; x", "2"), ("x + 1", "3"),
                       ("class A { z() { return x } }\nnew A().z()", "2"),
                       ("class A {}\nfunction f() { return typeof A }\nf()", "'function'"),
                       ("const {q, r: [s], ...t} = {q: 1, r: [2], u: 3}; [q, s, t]", "[ 1, 2, { u: 3 } ]"),
                       ("let v = 5; let w\nv", "5"), ("let v; v", None), ("let v\n(1)", "1"),
                       ("if (true) { 'value of a block' }", "'value of a block'"),
                       ("export const e = 4; e", "4"), ("#!/usr/bin/env node\n6", "6")):
        same(k.run(code).text, text, code)


@case("top-level await, promises as values, and names that outlive them")
def _():
    for code, text in (("async function main() { return 'hi' }\nmain()", "'hi'"), ("await main()", "'hi'"),
                       ("const {a, b: [c]} = await Promise.resolve({a: 1, b: [2]})", None), ("[a, c]", "[ 1, 2 ]"),
                       ("for (var i = 0, n = 3; i < n; i++) await null\nif (n) var z = 5\ni", "3"),
                       ("[i, n, z]", "[ 3, 3, 5 ]"), ("for (var o of [1, 2]) await 0; o", "2"),
                       ("await 0; class B {}; function g() { return B.name }", None), ("g()", "'B'"),
                       ("await 0\nlet u2\n(1)", "1"), ("var {k = 7} = await {}; k", "7")):
        same(k.run(code).text, text, code)
    same(k.run("await Promise.reject(new RangeError('r'))").error, ("RangeError", "r"))


@case("imports: defaults, names, all of it; again in a later cell; dynamic")
def _():
    c = k.run("import fs, { readFileSync as read } from 'fs'\nimport * as path from 'node:path'\n"
              "console.log(typeof fs.statSync, typeof read, path.join('a', 'b'))")
    same(c.out, "function function a/b\n")
    same(k.run("typeof read").text, "'function'")
    same(k.run("const m = await import('os'); typeof m.cpus").text, "'function'")
    same(k.run("typeof require('http').get").text, "'function'")
    name, value = k.run("import nope from 'no-such-module'").error
    assert "no-such-module" in value, value
    name, value = k.run("import { nope } from 'fs'").error
    same((name, value), ("SyntaxError", "The requested module 'fs' does not provide an export named 'nope'"))


@case("modules of the directory that the code is in")
def _():
    os.makedirs("/home/user/node_modules/esm-only", exist_ok=True)
    with open("/home/user/node_modules/esm-only/package.json", "w") as f:
        f.write('{"name": "esm-only", "type": "module", "exports": {"import": "./i.js"}}')
    with open("/home/user/node_modules/esm-only/i.js", "w") as f:
        f.write("export default 'from esm'; export const n = 1")
    with open("/home/user/mine.cjs", "w") as f:
        f.write("module.exports = {late: 2}")
    same(k.run("import e, { n } from 'esm-only'; [e, n]").text, "[ 'from esm', 1 ]")
    same(k.run("import { late } from './mine.cjs'; late").text, "2")
    same(k.run("require('./mine.cjs')").text, "{ late: 2 }")


@case("TypeScript: types go, enums stay, and so does what is used later")
def _():
    c = k.run("interface P { a: number }\nenum E { X, Y }\nconst p: P = { a: 1 };\n"
              "const f = (n: number): string => `${n + p.a}`;\nf(E.Y)")
    same(c.text, "'2'")
    same(k.run("f(4)").text, "'5'")
    same(k.run("import { join } from 'path'; let s: string").error, None)
    same(k.run("join('x', 'y') as string").text, "'x/y'")
    same(k.run("const w: number = await Promise.resolve(3); w").text, "3")
    same(k.run("let 5x").error[0], "SyntaxError")


@case("errors say what, and where in the cell, and nothing of ours")
def _():
    c = k.run("function g() {\n  throw new TypeError('deep')\n}\ng()")
    same(c.error, ("TypeError", "deep"))
    trace = c.all("error")[0]["traceback"]
    same(len(trace), 1)
    assert "at g (cell" in trace[0] and ":2:9)" in trace[0] and "kernel.mjs" not in trace[0], trace
    same(c.reply["status"], "error")
    same(k.run("throw 5").error, ("Error", "5"))
    same(k.run("null.x").error[0], "TypeError")
    assert "kernel.mjs" not in k.run("new Error('as value')").text
    same(k.run("process.exit(3)").error, ("SystemExit", "3"))
    same(k.run("1").text, "1")


@case("what is printed is one event each; late prints and late errors are not lost")
def _():
    c = k.run("console.log('a', {b: 1}); console.error('e'); process.stdout.write('no newline')")
    same((c.stream("stdout"), c.stream("stderr")), (["a { b: 1 }\n", "no newline"], ["e\n"]))
    c = k.run("setTimeout(() => console.log('later'), 5); setTimeout(() => { throw new Error('late') }, 5);"
              "Promise.reject(new Error('unheard')); await new Promise((r) => setTimeout(r, 50))")
    same(c.out, "later\n")
    assert "late" in c.err and "unheard" in c.err, c.err
    c = k.run("for (let i = 0; i < 5000; i++) console.log('x'.repeat(200))")
    same(len(c.out), 5000 * 201)
    same(k.run("fetch; await 0; '\u65e5\u2028'").text, "'\u65e5\u2028'")


@case("values that know how to be shown")
def _():
    c = k.run("({ _toHtml() { return '<b>' }, _toPng() { return 'AA==' } })")
    same({m: c.all("execute_result")[0]["data"][m] for m in ("text/html", "image/png")},
         {"text/html": "<b>", "image/png": "AA=="})
    c = k.run("display({ _toMime() { return { 'text/latex': 'x' } } })")
    same((c.all("display_data")[0]["data"]["text/latex"], c.text), ("x", None))


@case("the environment is the process's")
def _():
    k.run("process.env.MINE = 'a b'; process.chdir('/tmp')")
    same(k.run("require('child_process').execSync('echo $MINE; pwd').toString()").text, "'a b\\n/tmp\\n'")
    k.run("process.chdir('/home/user')")


@case("an interrupt ends what runs and what waits, and nothing else")
def _():
    k.run("const kept = 7")
    same(k.run("while (true) {}", interrupt_after=0.3).error, ("KeyboardInterrupt", ""))
    same(k.run("await new Promise(() => {})", interrupt_after=0.3).error, ("KeyboardInterrupt", ""))
    same(k.run("kept").text, "7")


same(k.close(), 0)
finish()
