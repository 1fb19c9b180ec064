import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stateOf } from '../../../src/cli/commands/token.ts';
import { COMMANDS, GROUPS, NOT_BUILT } from '../../../src/cli/commands.ts';
import { runCli } from '../../support/cli.ts';

const MESH = `mesh:
  trustDomain: shop.example
namespaces:
  prod:
    services:
      web:
        ports: [8080:3000/http]
      orders:
        ports: [8080:3001/http]
        allow:
          - from: web
            to: [GET /orders/*, POST /orders]
      debug: {}
`;

describe('the command line', () => {
  let folder: string;
  let mesh: string;
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-cli-'));
    mesh = await file('mesh.yaml', MESH);
  });
  after(() => rm(folder, { recursive: true }));

  for (const { name, example } of COMMANDS) {
    it(`${name} --help shows an example`, async () => {
      const { code, stdout } = await runCli([...name.split(' '), '--help']);
      assert.equal(code, 0);
      assert.ok(stdout.includes(`Example:\n  ${example.split('\n')[0]}`), stdout);
    });
  }

  for (const group of ['ca', 'token'])
    it(`${group} --help shows an example`, async () => {
      const { stdout } = await runCli([group, '--help']);
      assert.match(stdout, new RegExp(`Example:\n {2}signet ${group} `));
    });

  it('every command that prints data takes -o json', () => {
    const silent = new Set(['serve', 'sidecar', 'csds', 'token revoke', 'ca passphrase']);
    for (const { name, options } of COMMANDS) {
      assert.equal(
        options.some(({ flags }) => flags.startsWith('-o, ')),
        !silent.has(name),
        name,
      );
    }
  });

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    assert.deepEqual(await runCli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('--help lists every command', async () => {
    const { code, stdout } = await runCli(['--help']);
    assert.equal(code, 0);
    for (const { name } of COMMANDS) assert.match(stdout, new RegExp(`^  ${name.split(' ')[0]}`, 'm'));
    assert.deepEqual(Object.keys(GROUPS), ['token', 'ca']);
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['valdate', /^signet: unknown command 'valdate' \(Did you mean validate\?\): see `signet --help`\n$/],
    [
      'validate --confg x',
      /^signet: unknown option '--confg' \(Did you mean --config\?\): see `signet validate --help`\n$/,
    ],
    ['translate', /^signet: missing required argument 'service': see `signet translate --help`\n$/],
    ['translate web', /^signet: "web" is no service: write NAMESPACE\/NAME, for example prod\/web\n$/],
    ['translate prod/web prod/orders', /^signet: too many arguments/],
    ['translate prod/web --outbound nowhere', /^signet: --outbound nowhere is not IP:PORT\n$/],
    ['translate prod/web --address web', /^signet: --address web is no IP address\n$/],
    ['bootstrap prod/web --envoy-admin 0', /^signet: --envoy-admin 0 is no port\n$/],
    ['bootstrap prod/web --xds here', /^signet: --xds here is not HOST:PORT\n$/],
    ['token create prod/web --ttl soon', /^signet: --ttl soon is no duration/],
    ['token create prod/web --uses 0', /^signet: --uses 0 is no number/],
    ['token revoke web', /^signet: that is no id of a token/],
    ['token crate', /^signet: unknown command 'crate' \(Did you mean create\?\): see `signet token --help`\n$/],
    ['check --timeout 1m', /^signet: --timeout says how long --wait may take: write --wait, too\n$/],
    ['check --wait --timeout soon', /^signet: --timeout soon is no duration/],
    ['check --wait --timeout 0s', /^signet: --timeout 0s is no duration/],
    ['ca revoke 1a --timeout soon', /^signet: --timeout soon is no duration/],
    ['check --server nowhere', /^signet: --server nowhere is no URL/],
    ['check -o yaml', /^signet: -o yaml is neither json nor text\n$/],
    ['check prod/web', /^signet: too many arguments/],
    ['ca revoke ', /^signet: say what to revoke: a serial, NS\/IDENTITY or a SPIFFE ID\n$/],
    ['ca bundle --format der', /^signet: --format der is neither pem nor spiffe\n$/],
    ['ca bundle --format spiffe -o json', /^signet: --format spiffe is JSON already: leave -o json out\n$/],
    ['status -o yaml', /^signet: -o yaml is neither json nor text\n$/],
    ['status --server nowhere', /^signet: --server nowhere is no URL/],
    ['status --server http://a:b@127.0.0.1', /^signet: --server takes no credentials/],
    [
      'status --server http://signet.example',
      /^signet: --server http:\/\/signet.example would carry the admin token in plaintext/,
    ],
    ['translate prod/web -o yaml', /^signet: option '-o, --output <form>' argument 'yaml' is invalid/],
    ['serve --xds 18000', /^signet: --xds 18000 is not HOST:PORT\n$/],
    ['serve --store redis://x', /^signet: --store is not built yet/],
    ['serve --config', /^signet: option '--config <file>' argument missing: see `signet serve --help`\n$/],
  ];
  for (const [line, expected] of wrong) {
    it(`signet ${line}: exit 2 and one sentence`, async () => {
      const { code, stdout, stderr } = await runCli(line.split(' '));
      assert.match(stderr, expected);
      assert.deepEqual({ code, stdout, lines: stderr.trim().split('\n').length }, { code: 2, stdout: '', lines: 1 });
    });
  }

  it('says of planned commands that they are not built yet', async () => {
    for (const name of NOT_BUILT) {
      const { code, stderr } = await runCli(name.split(' '));
      assert.deepEqual({ code, stderr }, { code: 2, stderr: `signet: ${name} is not built yet\n` });
    }
  });

  it('validate: 0 and silence on stderr for a good file', async () => {
    const { code, stdout, stderr } = await runCli(['validate', mesh]);
    assert.deepEqual({ code, stderr, stdout }, { code: 0, stderr: '', stdout: `${mesh}: ok, 3 services\n` });
  });

  it('validate: 1 and every problem with its place for a bad one', async () => {
    const bad = await file(
      'bad.yaml',
      MESH.replace('from: web', 'from: wbe').replace('debug: {}', 'debug: { prots: [] }'),
    );
    const { code, stderr } = await runCli(['validate', mesh, bad]);
    assert.equal(code, 1);
    assert.match(stderr, /bad\.yaml:11:\d+ SIG0\d+ .*wbe/);
    assert.match(stderr, /bad\.yaml:13:\d+ SIG0\d+ .*prots/);
    const json = await runCli(['validate', bad, '-o', 'json']);
    assert.equal(json.code, 1);
    assert.equal(JSON.parse(json.stdout).valid, false);
  });

  it('validate: 1 and a remedy for a file that is not there', async () => {
    const { code, stderr } = await runCli(['validate', join(folder, 'none.yaml')]);
    assert.equal(code, 1);
    assert.match(stderr, /^signet: there is no .*none\.yaml: write one, or name yours with --config\n$/);
  });

  it('validate: a file that is not there hides nothing of the others', async () => {
    const bad = await file('beside.yaml', 'mesh: {}\n');
    const { code, stdout, stderr } = await runCli(['validate', join(folder, 'gone.yaml'), bad, mesh]);
    assert.equal(code, 1);
    assert.match(stderr, /beside\.yaml:1:1 SIG0203 .*\nsignet: there is no .*gone\.yaml/);
    assert.equal(stdout, `${mesh}: ok, 3 services\n`);
  });

  it('translate: Envoy configuration without a private key, and names that it can follow', async () => {
    const { code, stdout } = await runCli(['translate', 'prod/web', '--config', mesh]);
    assert.equal(code, 0);
    const shown = JSON.parse(stdout);
    assert.deepEqual(Object.keys(shown), ['clusters', 'endpoints', 'listeners', 'routes', 'secrets']);
    assert.deepEqual(
      shown.secrets.map(({ name }: { name: string }) => name),
      ['spiffe://shop.example/ns/prod/sa/web', 'spiffe://shop.example'],
    );
    assert.doesNotMatch(stdout, /PRIVATE KEY/);
  });

  it('validate, translate, can: with the trust bundle that lies beside the file', async () => {
    const root = await readFile(new URL('../../golden/diagnostics/trust/good.pem', import.meta.url));
    await writeFile(join(folder, 'partner.pem'), root);
    const trust =
      'trust: [{ trustDomain: partner.example, bundle: { file: FILE } }]\n  allow: ["spiffe://partner.example/a"]';
    const named = (name: string): string =>
      MESH.replace('namespaces:', `  ${trust.replace('FILE', name)}\nnamespaces:`);
    const good = await file('trusting.yaml', named('partner.pem'));
    const lost = await file('lost.yaml', named('lost.pem'));
    assert.equal((await runCli(['validate', good])).code, 0);
    assert.match((await runCli(['validate', lost])).stderr, /lost\.yaml:3:\d+ SIG0307 lost\.pem does not exist/);
    const { secrets } = JSON.parse((await runCli(['translate', 'prod/web', '--config', good])).stdout);
    assert.deepEqual(
      secrets.slice(1).map(({ name }: { readonly name: string }) => name),
      ['spiffe://shop.example', 'spiffe://shop.example/signet/callers'],
    );
    const can = (id: string) => runCli(['can', id, 'prod/web', 'GET', '/', '--config', good]);
    assert.deepEqual(
      [(await can('spiffe://partner.example/a')).code, (await can('spiffe://other.example/a')).code],
      [0, 1],
    );
  });

  it('translate: 1 and a suggestion for a service that is not there', async () => {
    const { code, stderr } = await runCli(['translate', 'prod/order', '--config', mesh]);
    assert.equal(code, 1);
    assert.equal(stderr, 'signet: the mesh has no service prod/order; did you mean prod/orders?\n');
  });

  it('can: the verdict first, then the line, and the exit code', async () => {
    const ask = (...words: string[]) => runCli(['can', ...words, '--config', mesh]);
    const allowed = await ask('prod/web', 'prod/orders', 'GET', '/orders/7');
    assert.equal(allowed.code, 0);
    assert.match(allowed.stdout, /^ALLOW\n.*mesh\.yaml:1[12] /);
    const denied = await ask('prod/debug', 'prod/orders', 'GET', '/orders/7');
    assert.equal(denied.code, 1);
    assert.match(denied.stdout, /^DENY\n.*mesh\.yaml:1[12] /);
    assert.equal((await ask('prod/web', 'prod/orders', 'GET', '/orders/7', '--plaintext')).code, 1);
    assert.equal((await ask('prod/web', 'prod/nobody')).code, 2);
    const listed = await ask('prod/web', 'prod/orders', '-o', 'json');
    assert.deepEqual(
      JSON.parse(listed.stdout).calls.allowed.map(({ call }: { call: string }) => call),
      ['GET /orders/*', 'POST /orders'],
    );
  });

  it('token list: tells a token that still brings instances from one that is over', () => {
    const [expires, revoked] = ['2026-06-01T00:00:00.000Z', '2026-05-01T00:00:00.000Z'];
    const at = Date.parse(expires);
    assert.equal(stateOf({ expires, revokedAt: null }, at - 1), `joins until ${expires}`);
    assert.equal(stateOf({ expires, revokedAt: null }, at), `no joins since ${expires}`);
    assert.equal(stateOf({ expires, revokedAt: revoked }, at), `revoked ${revoked}`);
  });

  it('says what is missing when no control plane can be asked', async () => {
    const none = await runCli(['status', '--admin-token-file', join(folder, 'none')]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /the admin token cannot be read .*--admin-token-file/);
    const other = await file('other', '-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n');
    const wrong = await runCli(['status', '--admin-token-file', other]);
    assert.equal(wrong.code, 1);
    assert.match(
      wrong.stderr,
      /^signet: the admin token cannot be read .*it holds something else.*--admin-token-file\n$/,
    );
    assert.doesNotMatch(wrong.stderr, /PRIVATE|MC4/);
    const token = await file('token', 'x\n');
    const silent = await runCli(['status', '--server', 'http://127.0.0.1:1', '--admin-token-file', token]);
    assert.equal(silent.code, 1);
    assert.match(silent.stderr, /no control plane answers at http:\/\/127\.0\.0\.1:1 .*signet serve/);
  });

  it('stays one line where OpenSSL has several', async () => {
    const plain = createServer((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 400 no\r\n\r\n', () => socket.destroySoon()));
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    const server = `https://127.0.0.1:${port}`;
    const token = await file('token', 'x\n');
    const { code, stderr } = await runCli(['status', '--server', server, '--admin-token-file', token]);
    await new Promise((resolve) => plain.close(resolve));
    assert.deepEqual([code, stderr.trim().split('\n').length], [1, 1], stderr);
  });
});
