// tests/api/sdk-js/methods.mjs - the table of docs/e2b.md against the package:
// no public method without a row, no row without a method or a case.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

/** Public methods and getters of a class, by the package's own declarations. */
export function declared(file, name) {
  const text = readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\//g, '')
  const body = text.match(new RegExp(`^declare (?:abstract )?class ${name}\\b[^]*?\\{\\n([^]*?)^\\}`, 'm'))
  assert(body, `${file} has no class ${name}`)
  const found = new Set()
  for (const m of body[1].matchAll(/^ {2}((?:\w+ )*)([A-Za-z]\w*)(?:<[^\n]*>)?\(/gm))
    if (!/private|protected/.test(m[1]) && m[2] !== 'constructor') found.add(m[2])
  return found
}

/** Rows of a table: the cells, without their backquotes. */
export function rows(heading) {
  const section = readFileSync('docs/e2b.md', 'utf8').split(/^## /m).find((s) => s.startsWith(`${heading}\n`))
  assert(section, `docs/e2b.md has no "${heading}"`)
  return section.split('\n').filter((l) => l.startsWith('| `')).map((l) => l.split('|').slice(1, -1).map((c) => c.trim().replaceAll('`', '')))
}

/** Names that one column has: a.b, or several of them after commas. */
export function names(table, column) {
  return new Set(table.flatMap((r) => r[column].split(',')).map((n) => n.trim()).filter((n) => n && n !== '-'))
}

export function compare(table, column, want, lists) {
  const have = names(table, column)
  assert.deepEqual([...want].filter((n) => !have.has(n)), [], 'without a row')
  assert.deepEqual([...have].filter((n) => !want.has(n)), [], 'without a method')
  const cases = new Set(lists.flatMap((f) => readFileSync(f, 'utf8').split('\n')))
  for (const r of table)
    for (const c of r[3].split(';')) assert(cases.has(c.trim()), `${r[0]}: no case "${c.trim()}"`)
}

export async function every() {
  const types = 'build/sdk-js/node_modules/e2b/dist/index.d.ts'
  const want = new Set()
  for (const [as, ...classes] of [['Sandbox', 'Sandbox', 'SandboxApi'], ['commands', 'Commands'], ['files', 'Filesystem'],
    ['pty', 'Pty'], ['git', 'Git'], ['CommandHandle', 'CommandHandle'], ['WatchHandle', 'WatchHandle']])
    for (const c of classes) for (const n of declared(types, c)) want.add(`${as}.${n}`)
  for (const f of ['getSignature', 'waitForFile', 'waitForPort', 'waitForProcess', 'waitForTimeout', 'waitForURL']) want.add(f)
  compare(rows('SDK methods inside a sandbox'), 0, want, ['tests/api/cases.txt'])
}
