import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { fileSigner } from '../../../src/ca/external/fileSigner.ts';
import type { SignerChoice } from '../../../src/ca/external/remoteSigner.ts';
import { signerQueue } from '../../../src/ca/external/signerQueue.ts';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { certify, KEYS, type Party } from '../../support/enterprise.ts';
import { HOUR, opensslVerify, TD, WEB } from './support.ts';

const pemOf = ({ key }: Party): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

describe('the file signer', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'signet-file-signer-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const write = (certificate: string, key: string, roots: string): void => {
    for (const [name, text] of [
      ['tls.crt', certificate],
      ['tls.key', key],
      ['ca.crt', roots],
    ] as const)
      writeFileSync(join(dir, name), text);
  };
  const time = { ahead: 0 };
  const open = async (sign: SignerChoice['sign']) => {
    const [certificate, key, roots] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    const signer = fileSigner({ certificate, key, roots, now: () => Date.now() });
    const queue = signerQueue(signer, { now: () => Date.now() + time.ahead, wait: async () => {} }, () => {});
    return openAuthority({
      store: memoryStore(),
      trustDomain: TD,
      now: Date.now(),
      signer: () => ({ sign, queue }),
      trial: WEB,
    });
  };

  const kinds = [
    ['EC', KEYS.ec('prime256v1')],
    ['RSA', KEYS.rsa(2048)],
  ] as const;
  for (const [kind, key] of kinds)
    it(`signs intermediates and leaves with the ${kind} key of its files, by the root in another file`, async () => {
      const root = certify({ name: 'R', key });
      const issuing = certify({ name: 'I', key: kind === 'RSA' ? KEYS.rsa(2048) : KEYS.ec('secp384r1') }, root);
      write(issuing.pem, pemOf(issuing), certify({ name: 'other' }).pem + root.pem);
      for (const sign of ['intermediate', 'leaves'] as const) {
        const { mesh } = await open(sign);
        const leaf = await mesh.obtain(WEB, HOUR, Date.now());
        for (const purpose of ['sslserver', 'sslclient'])
          assert.equal(opensslVerify(leaf.chainPem, root.pem, purpose, Date.now()), 'OK');
        assert.ok(leaf.notAfter - Date.now() <= HOUR);
      }
    });

  it('signs the next intermediate as soon as its files change, and another root goes by a rotation', async () => {
    const root = certify({ name: 'R' });
    const [one, two] = [certify({ name: 'I' }, root), certify({ name: 'I' }, root)];
    write(one.pem, pemOf(one), root.pem);
    const { mesh } = await open('intermediate');
    await mesh.tend(Date.now());
    const first = mesh.describe().intermediate.serial;
    write(two.pem, pemOf(two), root.pem);
    await mesh.tend(Date.now());
    assert.notEqual(mesh.describe().intermediate.serial, first);
    assert.equal(mesh.rotation.plan(), undefined);
    const other = certify({ name: 'Other' });
    write(other.pem, pemOf(other), `# nothing more\n${other.pem}`);
    await mesh.tend(Date.now());
    assert.equal(mesh.rotation.plan()?.step, 'distribute');
  });

  it('waits for no pipe and reads no device: the whole of Signet would stand still', async () => {
    const root = certify({ name: 'R', key: KEYS.ec('prime256v1') });
    write(root.pem, pemOf(root), root.pem);
    rmSync(join(dir, 'tls.key'));
    symlinkSync('/dev/zero', join(dir, 'tls.key'));
    await assert.rejects(open('leaves'), { code: 'signer_failed', message: /tls\.key is no regular file$/ });
    rmSync(join(dir, 'tls.key'));
    write(root.pem + ' '.repeat(2_000_000), pemOf(root), root.pem);
    await assert.rejects(open('leaves'), { code: 'signer_failed', message: /tls\.crt is larger than 1048576 bytes$/ });
  });

  it('whose files were gone for a while is known to be back though nothing is due', async () => {
    const root = certify({ name: 'R' });
    write(root.pem, pemOf(root), root.pem);
    const { mesh } = await open('intermediate');
    const before = mesh.describe().intermediate.serial;
    rmSync(join(dir, 'tls.crt'));
    await assert.rejects(mesh.tend(Date.now()), { message: /tls\.crt cannot be read \(ENOENT\)/ });
    assert.match(mesh.describe().signer?.away?.why ?? '', /ENOENT/);
    write(root.pem, pemOf(root), root.pem);
    time.ahead = 1_000;
    await mesh.tend(Date.now());
    assert.equal(mesh.describe().signer?.away, undefined);
    const after = mesh.describe().intermediate.serial;
    assert.notEqual(after, before);
    await mesh.tend(Date.now());
    assert.equal(mesh.describe().intermediate.serial, after);
  });

  it('tells what is wrong with its files, without a word of them', async () => {
    const root = certify({ name: 'R', pathLength: 0 });
    const faults: readonly (readonly [string, string, string, RegExp])[] = [
      ['', pemOf(root), root.pem, /tls\.crt: it is empty/],
      [root.pem, 'secret words', root.pem, /tls\.key holds no private key that can be read/],
      [root.pem, pemOf(certify({})), root.pem, /the key in .*tls\.key is not the one of certificate 1/],
      [root.pem, pemOf(root), 'x', /ca\.crt: it is not PEM/],
      [root.pem, pemOf(root), root.pem, /path length of 0, and 1 other CA stands below/],
      [certify({ name: 'leaf', ca: false }, root).pem, '', root.pem, /holds no private key/],
    ];
    for (const [certificate, key, roots, complaint] of faults) {
      write(certificate, key, roots);
      await assert.rejects(open('intermediate'), (thrown: Error) => {
        assert.match(thrown.message, complaint);
        assert.doesNotMatch(thrown.message, /secret words|BEGIN [A-Z]* ?PRIVATE/);
        return true;
      });
    }
    rmSync(join(dir, 'tls.key'));
    await assert.rejects(open('intermediate'), { message: /tls\.key cannot be read \(ENOENT\)/ });
    write('', '', '');
  });
});
