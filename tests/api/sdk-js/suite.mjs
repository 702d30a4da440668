// tests/api/sdk-js/suite.mjs [TEXT] - the cases of cases.txt with e2b of npm;
// TEXT picks those whose name contains it.
import { main, test } from './harness.mjs'
import './outside.mjs'
import './inside.mjs'
import './git.mjs'
import { every } from './methods.mjs'

test('every method has a row', every)

await main(process.argv[2] ?? '', 'tests/api/cases.txt')
