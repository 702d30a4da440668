// tests/api/sdk-js/git.mjs - the git helpers of e2b of npm: what they run is
// shell text, which has to find a git and a shell as it expects them.
import assert from 'node:assert/strict'

import { box, e2b, test, text, until } from './harness.mjs'

const { GitAuthError, GitUpstreamError, InvalidArgumentError, CommandExitError } = e2b

async function repository(name) {
  const sbx = await box()
  const dir = `/home/user/${name}-${Date.now()}`
  await sbx.git.init(dir, { initialBranch: 'main' })
  await sbx.git.configureUser('Ada', 'ada@example.com', { scope: 'local', path: dir })
  await sbx.files.write(`${dir}/one`, 'first\n')
  await sbx.git.add(dir)
  await sbx.git.commit(dir, 'first commit: "quoted" $x')
  return { sbx, dir }
}

test('git: from init to commit', async () => {
  const { sbx, dir } = await repository('commit')
  assert.equal(await text(sbx, 'git log --format="%an <%ae> %s"', { cwd: dir }), 'Ada <ada@example.com> first commit: "quoted" $x')
  await sbx.files.write(`${dir}/one`, 'changed\n')
  await sbx.files.write(`${dir}/two`, 'new\n')
  let st = await sbx.git.status(dir)
  assert.equal(st.currentBranch, 'main')
  assert.deepEqual(st.fileStatus.map((f) => [f.name, f.status]).sort(), [['one', 'modified'], ['two', 'untracked']])
  await sbx.git.add(dir, { files: ['two'] })
  st = await sbx.git.status(dir)
  assert.equal(st.fileStatus.find((f) => f.name === 'two').staged, true)
  await sbx.git.commit(dir, 'second', { authorName: 'Bob', authorEmail: 'bob@example.com' })
  assert.equal(await text(sbx, 'git log -1 --format=%an', { cwd: dir }), 'Bob')
  await sbx.git.commit(dir, 'empty', { allowEmpty: true })
})

test('git: branches', async () => {
  const { sbx, dir } = await repository('branch')
  await sbx.git.createBranch(dir, 'feature/x')
  assert.deepEqual(await sbx.git.branches(dir), { branches: ['feature/x', 'main'], currentBranch: 'feature/x' })
  await sbx.git.checkoutBranch(dir, 'main')
  await sbx.git.deleteBranch(dir, 'feature/x')
  assert.deepEqual((await sbx.git.branches(dir)).branches, ['main'])
  await assert.rejects(sbx.git.checkoutBranch(dir, 'none'), CommandExitError)
})

test('git: reset and restore', async () => {
  const { sbx, dir } = await repository('reset')
  await sbx.files.write(`${dir}/one`, 'spoilt\n')
  await sbx.git.restore(dir, { paths: ['one'] })
  assert.equal(await sbx.files.read(`${dir}/one`), 'first\n')
  await sbx.files.write(`${dir}/one`, 'second\n')
  await sbx.git.add(dir)
  await sbx.git.restore(dir, { paths: ['one'], staged: true, worktree: false })
  assert.equal((await sbx.git.status(dir)).fileStatus[0].staged, false)
  await sbx.git.add(dir)
  await sbx.git.commit(dir, 'second')
  await sbx.git.reset(dir, { mode: 'hard', target: 'HEAD~1' })
  assert.equal(await sbx.files.read(`${dir}/one`), 'first\n')
})

test('git: a remote, pushed to, cloned and pulled', async () => {
  const { sbx, dir } = await repository('remote')
  const bare = `${dir}.git`
  await sbx.git.init(bare, { bare: true, initialBranch: 'main' })
  assert.equal(await sbx.git.remoteGet(dir, 'origin'), undefined)
  await sbx.git.remoteAdd(dir, 'origin', bare)
  assert.equal(await sbx.git.remoteGet(dir, 'origin'), bare)
  await sbx.git.remoteAdd(dir, 'origin', bare, { overwrite: true, fetch: true })
  await sbx.git.push(dir, { remote: 'origin', branch: 'main', setUpstream: true })
  const copy = `${dir}-copy`
  await sbx.git.clone(bare, { path: copy, branch: 'main', depth: 1 })
  assert.equal(await sbx.files.read(`${copy}/one`), 'first\n')
  await sbx.files.write(`${dir}/two`, 'more\n')
  await sbx.git.add(dir, { all: true })
  await sbx.git.commit(dir, 'two')
  assert.equal((await sbx.git.status(dir)).ahead, 1)
  await sbx.git.push(dir)
  await sbx.git.pull(copy)
  assert.equal(await sbx.files.read(`${copy}/two`), 'more\n')
})

test('git: configuration', async () => {
  const { sbx, dir } = await repository('config')
  await sbx.git.setConfig('alias.st', 'status -s', { scope: 'local', path: dir })
  assert.equal(await sbx.git.getConfig('alias.st', { scope: 'local', path: dir }), 'status -s')
  assert.equal(await sbx.git.getConfig('alias.none'), undefined)
  await sbx.git.setConfig('pull.rebase', 'false')
  assert.equal(await text(sbx, 'git config --global pull.rebase'), 'false')
})

const ASKS = `
import http.server, base64
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        have = self.headers.get("Authorization", "")
        print(have, flush=True)
        self.send_response(401 if have != "Basic " + base64.b64encode(b"ada:pass").decode() else 404)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", 8124), H).serve_forever()
`

test('git: credentials, and what is missing', async () => {
  const { sbx, dir } = await repository('auth')
  await sbx.files.write('/tmp/asks.py', ASKS)
  const h = await sbx.commands.run('exec python3 -u /tmp/asks.py', { background: true, timeoutMs: 60_000 })
  assert(await until(async () => await text(sbx, 'ss -Htln sport = :8124') !== ''))
  const url = 'http://127.0.0.1:8124/private.git'
  await assert.rejects(sbx.git.clone(url, { path: `${dir}-private` }), GitAuthError)
  await assert.rejects(sbx.git.clone(url, { path: `${dir}-private`, username: 'ada', password: 'wrong' }), GitAuthError)
  await assert.rejects(sbx.git.clone(url, { password: 'alone' }), InvalidArgumentError)
  await sbx.git.dangerouslyAuthenticate({ username: 'ada', password: 'pass', host: '127.0.0.1:8124', protocol: 'http' })
  await assert.rejects(sbx.git.clone(url, { path: `${dir}-private` }), CommandExitError)
  assert(h.stdout.includes(`Basic ${btoa('ada:pass')}`), h.stdout)
  await sbx.git.remoteAdd(dir, 'origin', url)
  await assert.rejects(sbx.git.push(dir), GitUpstreamError)
  await assert.rejects(sbx.git.pull(dir), GitUpstreamError)
  await h.kill()
})
