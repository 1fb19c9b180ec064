import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaFiles } from '../../../scripts/schemaFiles.ts';
import { fleetStatus, OUTPUTS, tokenList } from '../../../src/admin/schemas.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { type AdminOf, startAdminOf } from '../../support/adminOf.ts';
import { TestControl } from '../../support/controlPlane.ts';

const MESH = `mesh: { trustDomain: shop.example }
services:
  web: { ports: [8080/http], uses: [orders] }
  orders:
    ports: [8080/http]
    allow: [{ from: web, to: GET /a }, { from: web, to: GET /b, until: 2020-01-01T00:00:00Z }]
    deny: [{ to: /a/b }]
`;

describe('the published JSON Schemas', () => {
  let test: TestControl;
  let server: AdminOf;

  before(async () => {
    test = await TestControl.start(MESH);
    server = await startAdminOf(test);
  });
  after(async () => {
    await server.close();
    await test.close();
  });

  const json = async (line: string): Promise<{ readonly command: string; readonly value: unknown }> => {
    const { stdout, stderr } = await server.run(...line.split(' '), '-o', 'json');
    const { name = '' } = COMMANDS.find(({ name }) => line.startsWith(name)) ?? {};
    assert.notEqual(stdout, '', stderr);
    return { command: name, value: JSON.parse(stdout) };
  };

  const fits = async (line: string): Promise<void> => {
    const { command, value } = await json(line);
    const schema = OUTPUTS[command];
    assert.ok(schema, `${command} has no schema`);
    schema.parse(value); // strict: a key that no schema knows is a fault too
  };

  it('are what the sources give: npm run schemas', async () => {
    const files = schemaFiles();
    assert.deepEqual((await readdir('docs/schemas')).sort(), [...files.keys()].sort());
    for (const [name, text] of files) assert.equal(await readFile(join('docs/schemas', name), 'utf8'), text, name);
  });

  it('are there for every command with -o json, but for Envoy’s own bootstrap', () => {
    const printing = COMMANDS.filter(({ options }) => options.some(({ flags }) => flags.startsWith('-o, ')));
    assert.deepEqual([...Object.keys(OUTPUTS), 'bootstrap'].sort(), printing.map(({ name }) => name).sort());
  });

  it('hold for what is printed about an empty mesh', async () => {
    for (const line of ['status', 'check', 'token list', 'ca status', 'ca bundle', 'ca list', 'ca renew default/web'])
      await fits(line);
  });

  it('hold for a sidecar that took, refused and left, and a file that does not load', async () => {
    const web = await test.connect(await test.token('default/web'), 'default/web/a');
    const gone = await test.connect(await test.token('default/orders'), 'default/orders/a');
    assert.ok(typeof web === 'string' && typeof gone === 'string');
    const at = test.clock.now();
    const listeners = test.published.find(({ stream }) => stream === web)?.snapshot.get(TYPE.lds);
    const resources = [...(listeners?.values() ?? [])].map(({ name, version }) => ({ name, version }));
    const sent = { stream: web, at, type: TYPE.lds, version: 'v1', resources, removed: [] };
    test.event({ ...sent, kind: 'sent', bytes: 1 });
    test.event({ ...sent, kind: 'nacked', error: 'no' });
    test.event({ kind: 'closed', stream: gone, at });
    await writeFile(test.file, 'mesh: {}');
    await test.clock.advance(1_000);
    await fits('ca renew default/web');
    await fits('ca list');
    await fits('check');
    const status = fleetStatus.parse((await json('status')).value);
    const moment = new Date(at).toISOString();
    const { error, ...lds } = status.sidecars[0]?.types.lds ?? {};
    assert.match(error ?? '', /^no/);
    assert.deepEqual(lds, { sent: 'v1', acked: null, nacked: 'v1', sentAt: moment, ackedAt: null, nackedAt: moment });
    assert.equal(status.quarantined.length, resources.length);
    assert.deepEqual([status.away[0]?.node, status.mesh.problem?.diagnostics.length], ['default/orders/a', 1]);
    await fits('token create default/web');
    const [first] = tokenList.parse((await json('token list')).value).tokens;
    await test.control.revokeToken(first?.id ?? '');
    const listed = tokenList.parse((await json('token list')).value).tokens;
    assert.ok(listed.some(({ revokedAt }) => revokedAt !== null) && listed.some(({ joined }) => joined > 0));
    await fits('ca revoke default/web --dry-run');
    await fits('ca revoke default/web --timeout 1ms');
    await fits('ca revoke default/orders --cut --timeout 1ms');
    await fits('status');
  });

  it('hold for verdicts and for files, good and bad', async () => {
    for (const question of ['web orders', 'web orders GET /a', 'web orders GET', 'anyone orders GET /a', 'orders web'])
      await fits(`can ${question}`);
    const file = join(test.folder, 'again.yaml');
    await writeFile(file, MESH);
    await fits(`validate ${file}`);
    await fits(`translate default/web --config ${file}`);
    await writeFile(file, 'mesh: { trustDomain: A, mtls: permisive }');
    await fits(`validate ${file}`);
  });
});
