import assert from 'node:assert/strict';
import { issuedList } from '../../../src/admin/caSchemas.ts';
import { csv } from '../../../src/cli/csv.ts';
import { table } from '../../../src/cli/table.ts';
import { type AdminOf, startAdminOf } from '../../support/adminOf.ts';
import { TestControl } from '../../support/controlPlane.ts';

const MESH = `mesh: { trustDomain: shop.example }
services: { web: {}, orders: {} }
`;
const SPIFFE = 'spiffe://shop.example/ns/default/sa';

describe('signet ca list', () => {
  let test: TestControl;
  let server: AdminOf;

  beforeEach(async () => {
    test = await TestControl.start(MESH);
    server = await startAdminOf(test);
  });
  afterEach(async () => {
    await server.close();
    await test.close();
  });

  const list = (...args: readonly string[]) => server.run('ca', 'list', ...args);

  it('says that there is none in an empty mesh, and prints headings alone as CSV', async () => {
    assert.match((await list()).stdout, /^no certificate was issued/);
    assert.deepEqual((await list('-o', 'csv')).stdout.split('\r\n').length, 2);
    assert.deepEqual(issuedList.parse(JSON.parse((await list('-o', 'json')).stdout)).certificates, []);
  });

  it('shows whose, which, until when and held or not, alike in all three forms', async () => {
    await test.connect(await test.token('default/web'), 'default/web/a');
    const gone = await test.connect(await test.token('default/orders'), 'default/orders/b');
    assert.ok(typeof gone === 'string');
    test.event({ kind: 'closed', stream: gone, at: test.clock.now() });
    const { certificates } = issuedList.parse(JSON.parse((await list('-o', 'json')).stdout));
    assert.deepEqual(
      certificates.map(({ node, identity, serial, state, secondsLeft }) => [
        node,
        identity,
        serial,
        state,
        secondsLeft,
      ]),
      [
        ['default/orders/b', `${SPIFFE}/orders`, '2', 'away', 86_400],
        ['default/web/a', `${SPIFFE}/web`, '1', 'sent', 86_400],
      ],
    );
    const { code, stdout } = await list();
    assert.equal(code, 0);
    assert.match(stdout, /^NODE +IDENTITY +SERIAL +ISSUER +STATE +NOT AFTER\n/);
    assert.match(stdout, /\ndefault\/web\/a +\S+\/sa\/web +1 +0a +sent +2027-01-02T00:00:00\.000Z \(1d left\)\n$/);
    const [head, , web, end] = (await list('-o', 'csv')).stdout.split('\r\n');
    assert.equal(head, 'node,identity,serial,issuer,root,notBefore,notAfter,secondsLeft,state');
    assert.equal(web, `default/web/a,${SPIFFE}/web,1,0a,,2026-12-31T23:59:00.000Z,2027-01-02T00:00:00.000Z,86400,sent`);
    assert.equal(end, '');
  });

  it('refuses another form with a sentence and 2', async () => {
    const { code, stderr } = await list('-o', 'xml');
    assert.equal(code, 2);
    assert.match(stderr, /table, json, csv/);
  });
});

describe('what ca list prints', () => {
  it('is CSV by RFC 4180, whatever the fields hold', () => {
    const rows = [
      ['a', 'b,c'],
      ['say "hi"', 'two\r\nlines'],
      ['', ' x '],
    ];
    assert.equal(csv(['one', 'two'], rows), 'one,two\r\na,"b,c"\r\n"say ""hi""","two\r\nlines"\r\n, x \r\n');
  });

  it('is a table for a mesh of any size', () => {
    const rows = Array.from({ length: 150_000 }, (_, index) => [`${index}`]);
    assert.ok(table(['N'], rows).endsWith('149999'));
  });
});
