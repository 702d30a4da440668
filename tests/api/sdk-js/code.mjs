// tests/api/sdk-js/code.mjs [TEXT] - the cases of cases-code.txt with
// @e2b/code-interpreter of npm, against the template code-interpreter-v1.
import assert from 'node:assert/strict'

import { main, require, Skip, test } from './harness.mjs'
import { compare, declared, rows } from './methods.mjs'

const { Sandbox, NotFoundError, SandboxError, TimeoutError, InvalidArgumentError } = require('@e2b/code-interpreter')

const made = []
let shared

/** A sandbox of the default template, the same for all who ask. */
async function box() {
  try {
    shared ??= await Sandbox.create({ timeoutMs: 300_000 })
  } catch (e) {
    if (/code-interpreter-v1/.test(e.message)) throw new Skip('the template code-interpreter-v1 is not here')
    throw e
  }
  if (made.length === 0) made.push(shared)
  return shared
}

test('code: values, prints and results', async () => {
  const sbx = await box()
  let r = await sbx.runCode('import sys\nprint("out ä\\u2028")\nprint("err", file=sys.stderr)\n6 * 7')
  assert.equal(r.text, '42')
  assert.deepEqual([r.logs.stdout.join(''), r.logs.stderr.join('')], ['out ä\u2028\n', 'err\n'])
  assert.equal(r.results.length, 1)
  assert.equal(r.results[0].isMainResult, true)
  assert.equal(r.error, undefined)
  assert(r.executionCount >= 1)
  r = await sbx.runCode('"text"')
  assert.equal(r.text, 'text')
  r = await sbx.runCode('x = 1')
  assert.deepEqual([r.text, r.results], [undefined, []])
  r = await sbx.runCode('{"a": [1, 2]}')
  assert.deepEqual(r.results[0].json, { a: [1, 2] })
  r = await sbx.runCode('from IPython.display import display, Markdown, HTML\ndisplay(Markdown("# t"))\ndisplay(HTML("<b>h</b>"))')
  assert.deepEqual([r.results[0].markdown, r.results[1].html], ['# t', '<b>h</b>'])
  assert.equal(r.results[0].isMainResult, false)
  assert.equal((await sbx.runCode('import asyncio\nawait asyncio.sleep(0.01)\n"awaited"')).text, 'awaited')
  assert.match((await sbx.runCode('!echo shell')).logs.stdout.join(''), /shell/)
})

test('code: state is kept, and contexts are apart', async () => {
  const sbx = await box()
  await sbx.runCode('kept = 11')
  assert.equal((await sbx.runCode('kept + 1')).text, '12')
  const c = await sbx.createCodeContext({ cwd: '/tmp' })
  assert.deepEqual([c.language, c.cwd], ['python', '/tmp'])
  assert.equal((await sbx.runCode('kept', { context: c })).error.name, 'NameError')
  assert.equal((await sbx.runCode('import os; os.getcwd()', { context: c })).text, '/tmp')
  assert.equal((await sbx.runCode('import os; os.getcwd()')).text, '/home/user')
  await sbx.removeCodeContext(c)
})

test('code: contexts listed, restarted and removed', async () => {
  const sbx = await box()
  const c = await sbx.createCodeContext({ language: 'python' })
  const ids = async () => (await sbx.listCodeContexts()).map((x) => x.id)
  assert((await ids()).includes(c.id))
  await sbx.runCode('here = 1', { context: c })
  await sbx.restartCodeContext(c.id)
  assert.equal((await sbx.runCode('here', { context: c })).error.name, 'NameError')
  await sbx.removeCodeContext(c.id)
  assert(!(await ids()).includes(c.id))
  await assert.rejects(sbx.runCode('1', { context: c }), NotFoundError)
  await assert.rejects(sbx.restartCodeContext(c), NotFoundError)
  await assert.rejects(sbx.removeCodeContext(c), NotFoundError)
})

test('code: errors with their traceback', async () => {
  const sbx = await box()
  const r = await sbx.runCode('def f():\n    return 1 / 0\nf()')
  assert.equal(r.error.name, 'ZeroDivisionError')
  assert.equal(r.error.value, 'division by zero')
  assert.match(r.error.traceback, /line 2[^]*return 1 \/ 0/)
  assert.doesNotMatch(r.error.traceback, /\x1b\[/)
  assert.equal((await sbx.runCode('if:')).error.name, 'SyntaxError')
  assert.equal((await sbx.runCode('"and on"')).text, 'and on')
})

test('code: told as it happens', async () => {
  const sbx = await box()
  const told = []
  let first = 0
  const t0 = Date.now()
  const r = await sbx.runCode('import time, sys\nprint("one", flush=True)\ntime.sleep(0.7)\nprint("two", file=sys.stderr)\ndisplay("shown")\nint("x")', {
    onStdout: (m) => { first ||= Date.now() - t0; told.push(['out', m.line]) },
    onStderr: (m) => { told.push(['err', m.line]) },
    onResult: (x) => { told.push(['result', x.text]) },
    onError: (e) => { told.push(['error', e.name]) } })
  assert(first < 650, `after ${first} ms`)
  assert.equal(r.error.name, 'ValueError')
  assert.deepEqual(told, [['out', 'one\n'], ['err', 'two\n'], ['result', 'shown'], ['error', 'ValueError']])
})

test('code: pictures and charts', async () => {
  const sbx = await box()
  const r = await sbx.runCode('import matplotlib.pyplot as plt\nplt.plot([1, 2, 3], [3, 1, 2])\nplt.title("T")\nplt.xlabel("time (s)")\nplt.show()', { timeoutMs: 120_000 })
  assert.equal(r.error, undefined, r.error?.traceback)
  const [p] = r.results
  assert.equal(Buffer.from(p.png, 'base64').subarray(1, 4).toString(), 'PNG')
  assert.deepEqual([p.chart.type, p.chart.title, p.chart.x_label, p.chart.x_unit], ['line', 'T', 'time (s)', 's'])
  assert.deepEqual(p.chart.elements[0].points, [[1, 3], [2, 1], [3, 2]])
  assert(p.formats().includes('png'))
})

test('code: tables', async () => {
  const sbx = await box()
  const r = await sbx.runCode('import pandas as pd\npd.DataFrame({"a": [1, 2], "b": ["x", "y"]})', { timeoutMs: 120_000 })
  assert.equal(r.error, undefined, r.error?.traceback)
  assert.deepEqual(r.results[0].data, { a: [1, 2], b: ['x', 'y'] })
  assert.match(r.results[0].html, /<table/)
})

test('code: more than its time, and the next', async () => {
  const sbx = await box()
  await sbx.runCode('before = 5')
  await assert.rejects(sbx.runCode('import time\ntime.sleep(60)', { timeoutMs: 800 }), TimeoutError)
  const t0 = Date.now()
  assert.equal((await sbx.runCode('before')).text, '5')
  assert(Date.now() - t0 < 6000)
})

test('code: environment variables', async () => {
  const sbx = await Sandbox.create({ envs: { GLOBAL: 'sandbox' }, timeoutMs: 120_000 }).catch(async (e) => { await box(); throw e })
  made.push(sbx)
  const both = 'import os; (os.environ.get("GLOBAL"), os.environ.get("OWN"))'
  assert.equal((await sbx.runCode(both)).text, "('sandbox', None)")
  assert.equal((await sbx.runCode(both, { envs: { GLOBAL: 'call', OWN: 'it\'s "q"\\' } })).text, "('call', 'it\\'s \"q\"\\\\')")
  assert.equal((await sbx.runCode(both)).text, "('sandbox', None)")
})

test('code: JavaScript, TypeScript and bash', async () => {
  const sbx = await box()
  let r = await sbx.runCode('const f = (x) => x * 2\nconsole.log("said")\nf(21)', { language: 'js' })
  assert.deepEqual([r.text, r.logs.stdout.join('')], ['42', 'said\n'])
  r = await sbx.runCode('const n: number = await Promise.resolve(3)\nn', { language: 'ts' })
  assert.equal(r.text, '3', r.error?.traceback)
  r = await sbx.runCode('nothere.x', { language: 'javascript' })
  assert.equal(r.error.name, 'ReferenceError')
  r = await sbx.runCode('V=7; echo $((V*6))', { language: 'bash' })
  assert.equal(r.logs.stdout.join(''), '42\n')
  assert.equal((await sbx.runCode('echo $V', { language: 'bash' })).logs.stdout.join(''), '7\n')
  const c = await sbx.createCodeContext({ language: 'bash', cwd: '/usr/lib' })
  assert.equal((await sbx.runCode('pwd', { context: c })).logs.stdout.join(''), '/usr/lib\n')
  await sbx.removeCodeContext(c)
})

test('code: what cannot be', async () => {
  const sbx = await box()
  const c = await sbx.createCodeContext()
  await assert.rejects(sbx.runCode('1', { context: c, language: 'python' }), InvalidArgumentError)
  await sbx.removeCodeContext(c)
  await assert.rejects(sbx.runCode('1', { language: 'cobol' }), SandboxError)
  await assert.rejects(sbx.createCodeContext({ language: 'cobol' }), SandboxError)
  await assert.rejects(sbx.createCodeContext({ cwd: '/no/such' }), SandboxError)
  await assert.rejects(sbx.removeCodeContext('none'), NotFoundError)
  assert.equal((await sbx.runCode('"works"')).text, 'works')
})

test('code: every method has a row', async () => {
  const want = new Set([...declared('build/sdk-js/node_modules/@e2b/code-interpreter/dist/index.d.ts', 'Sandbox')].map((n) => `Sandbox.${n}`))
  compare(rows('SDK methods of the code interpreter'), 0, want, ['tests/api/cases-code.txt'])
})

await main(process.argv[2] ?? '', 'tests/api/cases-code.txt', () => made)
