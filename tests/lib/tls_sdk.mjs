// tests/lib/tls_sdk.mjs - what an unchanged e2b of npm does with nothing but
// E2B_DOMAIN and E2B_API_KEY; for tests/api/tls.py.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'

const { Sandbox } = createRequire(path.resolve('build/sdk-js/package.json'))('e2b')
const curl = (...args) => execFileSync('curl', ['-sS', '-m', '20', '--fail', ...args]).toString()

const sbx = await Sandbox.create({ timeoutMs: 60_000 })
try {
  assert.equal((await sbx.commands.run('echo $((6 * 7))')).stdout, '42\n')
  await sbx.files.write('/home/user/a.txt', 'by TLS')
  assert.equal(await sbx.files.read('/home/user/a.txt'), 'by TLS')
  const big = 'x'.repeat(3_000_000)
  await sbx.files.write('/tmp/big', big)
  assert.equal(await sbx.files.read('/tmp/big'), big)

  await sbx.commands.run('cd /home/user && exec python3 -m http.server 8000 --bind 127.0.0.1',
    { background: true })
  const host = sbx.getHost(8000)
  assert.equal(host, `8000-${sbx.sandboxId}.${process.env.E2B_DOMAIN}`)
  const res = await fetch(`https://${host}/a.txt`)
  assert.equal(res.status, 200)
  assert.equal(await res.text(), 'by TLS')

  const down = await sbx.downloadUrl('/home/user/a.txt', { useSignatureExpiration: 60_000 })
  assert.equal(curl(down), 'by TLS')
  const up = await sbx.uploadUrl('/home/user/b.txt', { useSignatureExpiration: 60_000 })
  curl('-F', 'file=@/etc/hostname', up)
  assert.equal(await sbx.files.read('/home/user/b.txt'), execFileSync('cat', ['/etc/hostname']).toString())

  assert.equal(await sbx.isRunning(), true)
  const again = await Sandbox.connect(sbx.sandboxId)
  assert.equal((await again.commands.run('cat a.txt')).stdout, 'by TLS')
  assert.ok((await Sandbox.list().nextItems()).some((s) => s.sandboxId === sbx.sandboxId))
} finally {
  await sbx.kill()
}
assert.equal(await sbx.isRunning(), false)
console.log('all is well')
