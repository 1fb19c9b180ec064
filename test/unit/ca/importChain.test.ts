import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { extensionDer, SEQUENCE, tlv } from '../../../src/ca/der.ts';
import { OID } from '../../../src/spiffe/oid.ts';
import { certify, KEYS, type Party, type Shape, signIntermediate } from '../../support/enterprise.ts';
import { DAY, freshMesh, opensslVerify, split, WEB } from './support.ts';

const corp = certify({ name: 'Corp Root' });
const other = certify({ name: 'Other Root' });
const rsa2048 = KEYS.rsa(2048);

const constraint = (subtrees: number, base: string): Buffer =>
  extensionDer(
    OID.nameConstraints,
    true,
    tlv(SEQUENCE, tlv(subtrees, tlv(SEQUENCE, tlv(base.includes('@') ? 0x81 : 0x86, Buffer.from(base))))),
  );
const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;

/** What is imported for a request: given the chain that a good CA would send, the one that this test sends. */
type Case = readonly [name: string, chain: (csr: string) => string, complaint: RegExp];

const signed =
  (shape: Shape, root: Party = corp) =>
  (csr: string) =>
    signIntermediate(csr, root, shape).pem + root.pem;
const below =
  (root: Shape, shape: Shape = {}) =>
  (csr: string) => {
    const made = certify({ name: 'A Root', ...root });
    return signIntermediate(csr, made, shape).pem + made.pem;
  };
const between =
  (shape: Shape, root: Shape = {}) =>
  (csr: string) => {
    const top = certify({ name: 'Top', ...root });
    const middle = certify({ name: 'Middle', ...shape }, top);
    return signIntermediate(csr, middle).pem + middle.pem + top.pem;
  };
const flipped = (pem: string): string => {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  der[der.length - 3] = (der[der.length - 3] ?? 0) ^ 1;
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
};
const now = Date.now();

const CASES: readonly Case[] = [
  ['empty', () => ' \n', /it is empty$/],
  ['not PEM', () => 'hello', /it is not PEM/],
  ['DER', (csr) => signed({})(csr).slice(30, 200), /not PEM|cut off/],
  ['cut off', (csr) => signed({})(csr).slice(0, -60), /cut off/],
  ['something else in a block', (csr) => signed({})(csr).replace(/\n./, '\n!'), /not base64/],
  ['a PEM block that is no certificate', (csr) => signed({})(csr) + csr, /no certificate but CERTIFICATE REQUEST/],
  [
    'a block that holds no certificate',
    () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    /certificate 1 cannot be read/,
  ],
  [
    'with a private key',
    (csr) => signed({})(csr) + corp.key.export({ type: 'pkcs8', format: 'pem' }),
    /holds a private key/,
  ],
  ['too large', (csr) => signed({})(csr) + '#'.repeat(70_000), /larger than 64 KiB/],
  [
    'too many',
    (csr) => signed({})(csr) + Array.from({ length: 9 }, () => certify({}).pem).join(''),
    /more than 10 certificates/,
  ],
  ['a certificate twice', (csr) => signed({})(csr) + corp.pem, /certificate 3 \(.*Corp Root.*\) stands in it twice/],
  [
    'in the wrong order',
    (csr) => corp.pem + signIntermediate(csr, corp).pem,
    /wrong order: certificate 2 .* has to stand first/,
  ],
  [
    'in the wrong order above',
    (csr) => {
      const middle = certify({ name: 'Middle' }, corp);
      return signIntermediate(csr, middle).pem + corp.pem + middle.pem;
    },
    /wrong order: certificate 3 .*Middle.* signed certificate 1 .* right behind it/,
  ],
  [
    'without its root',
    (csr) => signIntermediate(csr, corp).pem,
    /ends at certificate 1 .*Corp Root.* is missing: add it/,
  ],
  [
    'with a foreign root',
    (csr) => signIntermediate(csr, corp).pem + other.pem,
    /certificate 2 .*Other Root.* is not the issuer/,
  ],
  [
    'with something that signed nothing',
    (csr) => signed({})(csr) + other.pem,
    /certificate 3 .*Other Root.* stands behind a root and signed nothing/,
  ],
  [
    'with a root of the same name and another key',
    (csr) => signIntermediate(csr, corp).pem + certify({ name: 'Corp Root' }).pem,
    /signed by another key than that of certificate 2/,
  ],
  [
    'with a broken signature',
    (csr) => flipped(signIntermediate(csr, corp).pem) + corp.pem,
    /signature of certificate 1 .* does not verify/,
  ],
  [
    'with a broken root',
    (csr) => signIntermediate(csr, corp).pem + flipped(corp.pem),
    /ends at certificate 2|does not verify/,
  ],
  [
    'for another key',
    () => certify({ name: 'Mine', pathLength: 0 }, corp).pem + corp.pem,
    /another key than that of the pending request/,
  ],
  ['of the root alone', () => corp.pem, /another key than that of the pending request/],
  ['expired', signed({ notBefore: now - 2 * DAY, notAfter: now - DAY }), /certificate 1 .* expired at/],
  ['not valid yet', signed({ notBefore: now + DAY, notAfter: now + 2 * DAY }), /certificate 1 .* is not valid before/],
  ['below an expired root', below({ notBefore: now - 2 * DAY, notAfter: now - DAY }), /certificate 2 .* expired at/],
  ['of a leaf', signed({ ca: false }), /certificate 1 .* is no CA/],
  ['without basicConstraints', signed({ ca: undefined }), /certificate 1 .* is no CA/],
  ['without keyCertSign', signed({ keyUsage: 0x82 }), /certificate 1 .* may not sign certificates/],
  ['below a root without keyCertSign', below({ keyUsage: 0x02 }), /certificate 2 .* may not sign certificates/],
  [
    'below a root of path length 0',
    below({ pathLength: 0 }),
    /certificate 2 .* path length of 0, and 1 other CA stands below/,
  ],
  [
    'below a root of path length 1 with one between',
    between({}, { pathLength: 1 }),
    /certificate 3 .* path length of 1, and 2 other CAs stand below/,
  ],
  ['below a CA of path length 0', between({ pathLength: 0 }), /certificate 2 .* path length of 0/],
  ['below a leaf that may sign nothing', between({ ca: false }), /certificate 2 .* is no CA/],
  ['below a leaf', between({ ca: false, keyUsage: undefined }), /certificate 2 .* is no CA/],
  [
    'for servers only',
    signed({ purposes: [OID.serverAuth] }),
    /certificate 1 .* may not sign for TLS servers and clients/,
  ],
  ['below a CA for mail', between({ purposes: ['1.3.6.1.5.5.7.3.4'] }), /certificate 2 .* may not sign for TLS/],
  [
    'that permits other hosts',
    signed({ more: [constraint(PERMITTED, '.corp.example')] }),
    /permits URIs of "\.corp\.example" only/,
  ],
  [
    'that permits hosts below the trust domain',
    signed({ more: [constraint(PERMITTED, '.shop.example')] }),
    /permits URIs of "\.shop\.example" only/,
  ],
  [
    'that excludes the trust domain',
    below({ more: [constraint(EXCLUDED, 'shop.example')] }),
    /certificate 2 .* excludes URIs of the host shop\.example/,
  ],
  ['that excludes everything below example', signed({ more: [constraint(EXCLUDED, '.example')] }), /excludes URIs/],
  ['with a weak root', below({ key: KEYS.rsa(1024) }), /certificate 2 .* RSA key of 1024 bits/],
  ['with a root on another curve', below({ key: KEYS.ec('secp256k1') }), /certificate 2 .* key of type secp256k1/],
  ['with an Ed25519 root', below({ key: KEYS.ed25519() }), /algorithm 1\.3\.101\.112: use RSA/],
  ['signed with SHA-1', signed({ digest: 'sha1' }), /certificate 1 .* signed with SHA-1/],
  ['signed with SHA-1 by RSA', below({ key: rsa2048 }, { digest: 'sha1' }), /certificate 1 .* signed with SHA-1/],
  [
    'with an unknown critical extension',
    signed({ more: [extensionDer('1.2.3.4', true, tlv(SEQUENCE))] }),
    /critical extension 1\.2\.3\.4/,
  ],
  [
    'with an extension twice',
    signed({ more: [extensionDer(OID.keyUsage, true, Buffer.from('03020106', 'hex'))] }),
    /certificate 1 cannot be read/,
  ],
  ['with an empty subject', signed({ subject: tlv(SEQUENCE) }), /certificate 1 .* empty subject/],
  ['with a negative serial', signed({ serial: Buffer.from([0x80]) }), /serial that is negative/],
  ['with a long serial', signed({ serial: Buffer.alloc(21, 1) }), /longer than 20 octets/],
  [
    'that names another trust domain',
    signed({ uris: ['spiffe://other.example'] }),
    /names "spiffe:\/\/other\.example"/,
  ],
  ['that names a workload', signed({ uris: [WEB] }), /names "spiffe:\/\/shop\.example\/ns/],
  [
    'that names control characters',
    (csr) => signIntermediate(csr, certify({ name: 'a\u001b[2Jb' })).pem,
    /ends at certificate 1 .* is missing/,
  ],
];

describe('a chain for the pending request', () => {
  for (const [name, make, complaint] of CASES) {
    it(`${name} is refused in a sentence, and nothing changes`, async () => {
      const { mesh, store } = await freshMesh(Date.now());
      const { csr } = await mesh.imports.request(false, Date.now());
      const texts = store.list('').map(({ key, value }) => `${key} ${Buffer.from(value).toString()}`);
      await assert.rejects(mesh.imports.take(make(csr), Date.now()), (thrown: Error & { code?: string }) => {
        assert.equal(thrown.code, 'chain_refused');
        assert.match(thrown.message, complaint);
        assert.doesNotMatch(thrown.message, /\p{Cc}|PRIVATE KEY-----/u);
        return true;
      });
      assert.deepEqual(
        store.list('').map(({ key, value }) => `${key} ${Buffer.from(value).toString()}`),
        texts,
      );
    });
  }

  it('that only the trial handshake sees through is refused too', async () => {
    // A directory name that the intermediate's subject is not below: the own reader judges URIs alone.
    const name = tlv(
      0xa4,
      tlv(SEQUENCE, tlv(0x31, tlv(SEQUENCE, Buffer.from('060355040a', 'hex'), tlv(0x0c, Buffer.from('Else'))))),
    );
    const root = certify({
      name: 'R',
      more: [extensionDer(OID.nameConstraints, true, tlv(SEQUENCE, tlv(PERMITTED, tlv(SEQUENCE, name))))],
    });
    const { mesh } = await freshMesh(Date.now());
    const { csr } = await mesh.imports.request(false, Date.now());
    const chain = signIntermediate(csr, root).pem + root.pem;
    await assert.rejects(mesh.imports.take(chain, Date.now()), { message: /OpenSSL refuses .*subtree violation/ });
  });

  it('is not taken without a request, and not for an older one', async () => {
    const { mesh } = await freshMesh(Date.now());
    await assert.rejects(mesh.imports.take(corp.pem, Date.now()), { code: 'no_request', message: /signet ca csr/ });
    const first = await mesh.imports.request(false, Date.now());
    assert.equal((await mesh.imports.request(false, Date.now())).csr, first.csr);
    const second = await mesh.imports.request(true, Date.now());
    assert.notEqual(second.csr, first.csr);
    await assert.rejects(mesh.imports.take(signed({})(first.csr), Date.now()), { message: /another key/ });
  });
});

const GOOD: readonly (readonly [string, (csr: string) => string])[] = [
  ['below a P-256 root', signed({})],
  ['below a P-384 root', below({ key: KEYS.ec('secp384r1'), digest: 'sha384' }, { digest: 'sha384' })],
  ['below a P-521 root', below({ key: KEYS.ec('secp521r1'), digest: 'sha512' }, { digest: 'sha512' })],
  ['below an RSA root', below({ key: rsa2048 })],
  ['below a root without keyUsage, as openssl makes them', below({ keyUsage: undefined })],
  ['with one CA between', between({ pathLength: 1 }, { pathLength: 2 })],
  ['with our host permitted', signed({ more: [constraint(PERMITTED, 'shop.example')] })],
  ['with constraints on other kinds of names', signed({ more: [constraint(EXCLUDED, 'a@corp.example')] })],
  ['with the purposes of TLS', signed({ purposes: [OID.serverAuth, OID.clientAuth] })],
  [
    'with comments between the blocks',
    (csr) => signed({})(csr).replaceAll('-----BEGIN', '\nsubject=CN = x\n-----BEGIN'),
  ],
  ['with Windows line ends', (csr) => signed({})(csr).replaceAll('\n', '\r\n')],
];

describe('a good chain', () => {
  for (const [name, make] of GOOD) {
    it(`${name} is prepared, and signs after its rotation; a later start reads it`, async () => {
      const made = await freshMesh(Date.now());
      const before = made.mesh.describe().root;
      const { csr } = await made.mesh.imports.request(false, Date.now());
      const { root, rootIsNew } = await made.mesh.imports.take(make(csr), Date.now());
      assert.ok(rootIsNew);
      assert.equal(made.mesh.describe().root.serial, before.serial);
      assert.equal(made.mesh.trustBundle().authorities.length, 2);
      await made.mesh.rotation.start('root', 'a test', Date.now());
      for (let step = made.mesh.rotation.plan(); step !== undefined; step = made.mesh.rotation.plan())
        await made.mesh.rotation.advance(step, Date.now());
      const { mesh } = await freshMesh(Date.now(), made.store);
      assert.equal(mesh.describe().root.serial, root.serial);
      const leaf = mesh.issue(WEB, DAY, Date.now());
      const [rootPem = ''] = mesh.trustBundle().authorities;
      assert.equal(mesh.trustBundle().authorities.length, 1);
      for (const purpose of ['sslserver', 'sslclient'])
        assert.equal(
          opensslVerify(leaf.chainPem, rootPem, purpose, Date.now()).replace(
            /^.*CA cert does not include key usage.*$/s,
            'OK',
          ),
          'OK',
        );
      assert.ok(mesh.vouchesFor(leaf, Date.now()));
      assert.equal(split(leaf.chainPem).length, name.startsWith('with one CA') ? 3 : 2);
    });
  }
});

describe('what was imported', () => {
  const imported = async () => {
    const made = await freshMesh(Date.now());
    const { csr } = await made.mesh.imports.request(false, Date.now());
    await made.mesh.imports.take(signed({})(csr), Date.now());
    return made;
  };
  const finish = async ({ mesh }: Awaited<ReturnType<typeof freshMesh>>): Promise<void> => {
    for (let step = mesh.rotation.plan(); step !== undefined; step = mesh.rotation.plan())
      await mesh.rotation.advance(step, Date.now());
  };

  it('stays prepared when its rotation is aborted before it signs, and gives way to a newer import', async () => {
    const { mesh } = await imported();
    const states = () => mesh.describe().slots.map(({ kind, state }) => `${kind} ${state}`);
    const prepared = ['root active', 'root prepared', 'intermediate active', 'intermediate prepared'];
    await mesh.rotation.start('root', 'a test', Date.now());
    await mesh.rotation.abort('a test', Date.now());
    assert.deepEqual(states(), prepared);
    const { csr } = await mesh.imports.request(false, Date.now());
    const { root } = await mesh.imports.take(signed({}, other)(csr), Date.now());
    assert.deepEqual(states(), prepared);
    assert.ok(mesh.describe().slots.some(({ serial, state }) => serial === root.serial && state === 'prepared'));
  });

  it('decides what its rotation changes, whatever kind was asked for', async () => {
    for (const [asked, made] of [
      ['root', 'root'],
      ['intermediate', 'root'],
      ['compromise', 'compromise'],
    ] as const) {
      const { mesh } = await imported();
      await mesh.rotation.start(asked, 'a test', Date.now());
      assert.deepEqual([mesh.rotation.plan()?.kind, mesh.rotation.plan()?.step], [made, 'distribute']);
    }
  });

  it('is renewed below the same root by another import, whose rotation changes the intermediate alone', async () => {
    const made = await imported();
    const { mesh } = made;
    await mesh.rotation.start('root', 'a test', Date.now());
    await finish(made);
    const { root } = mesh.describe();
    const { csr } = await mesh.imports.request(false, Date.now());
    // The root is known by now and need not come again.
    const taken = await mesh.imports.take(signIntermediate(csr, corp).pem, Date.now());
    assert.equal(taken.rootIsNew, false);
    await mesh.rotation.start('root', 'a test', Date.now());
    assert.equal(mesh.rotation.plan()?.kind, 'intermediate');
    await finish(made);
    assert.deepEqual(mesh.describe().root, root);
    assert.equal(mesh.describe().intermediate.serial, taken.intermediate.serial);
  });

  it('never gives way to a root of Signet’s own because nothing was prepared', async () => {
    const made = await imported();
    const { mesh } = made;
    await mesh.rotation.start('root', 'a test', Date.now());
    await finish(made);
    for (const kind of ['root', 'intermediate', 'compromise'] as const)
      await assert.rejects(mesh.rotation.start(kind, 'a test', Date.now()), {
        code: 'rotation_refused',
        message: /signet ca csr/,
      });
    await mesh.prepare(DAY, Date.now() + 300 * DAY);
  });

  it('is not taken in the middle of a rotation, and the request waits', async () => {
    const { mesh } = await freshMesh(Date.now());
    const { csr } = await mesh.imports.request(false, Date.now());
    await mesh.rotation.start('root', 'a test', Date.now());
    await assert.rejects(mesh.imports.take(signed({})(csr), Date.now()), {
      code: 'rotation_refused',
      message: /let it end/,
    });
    await mesh.rotation.abort('a test', Date.now());
    await mesh.imports.take(signed({})(csr), Date.now());
  });
});
