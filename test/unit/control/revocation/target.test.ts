import assert from 'node:assert/strict';
import type { IssuedCertificate } from '../../../../src/ca/issued.ts';
import { findTarget } from '../../../../src/control/revocation/target.ts';
import type { SpiffeId } from '../../../../src/spiffe/spiffeId.ts';
import { meshFrom } from '../../../support/plans.ts';

const mesh = meshFrom(`
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      a: { identity: shared }
      b: { identity: shared }
      front: { identity: edge }
      edge: { identity: other }
`);
const id = (name: string): SpiffeId => `spiffe://shop.example/ns/prod/sa/${name}` as SpiffeId;
const issued = (serial: string, name: string, instance: string): IssuedCertificate => ({
  serial,
  id: id(name),
  instance,
  digest: serial.padStart(64, '0'),
  notAfter: 1,
});
const holders = {
  mesh,
  issued: [
    issued('0a1b', 'web', 'prod/web/1'),
    issued('2c', 'web', 'prod/web/1'),
    issued('3d', 'web', 'prod/web/2'),
    issued('4e', 'shared', 'prod/a/1'),
    issued('5f', 'gone', 'prod/gone/1'),
    issued('aaaaaaaaaaaa01', 'gone', 'prod/gone/1'),
    issued('bbbbbbbbbbbb01', 'gone', 'prod/gone/1'),
    issued('bbbbbbbbbbbb02', 'gone', 'prod/gone/1'),
  ],
  joined: ['prod/web/1', 'prod/web/2', 'prod/web/3', 'prod/b/1', 'prod/website/1'],
};
const find = (what: string) => {
  const found = findTarget(holders, what);
  return found.ok ? found.value : assert.fail(found.error.message);
};
const refusal = (what: string): string => {
  const found = findTarget(holders, what);
  return found.ok ? assert.fail('found') : `${found.error.code}: ${found.error.message}`;
};

describe('what is to be revoked', () => {
  it('is every live certificate of the instance that a serial was issued to, however the serial is written', () => {
    for (const written of ['0a1b', '0A:1B', '0x0a1b', '00:0a:1b']) {
      const { certificates, instances, wholeIdentity, what } = find(written);
      assert.deepEqual(
        [certificates.map(({ serial }) => serial), instances, wholeIdentity, what],
        [['0a1b', '2c'], ['prod/web/1'], false, '0a1b'],
      );
    }
  });

  it('is, of an identity, every instance of every service that has it, with or without a certificate', () => {
    for (const written of ['prod/web', id('web')]) {
      const { certificates, instances, wholeIdentity } = find(written);
      assert.deepEqual(
        [certificates.map(({ serial }) => serial), instances, wholeIdentity],
        [['0a1b', '2c', '3d'], ['prod/web/1', 'prod/web/2', 'prod/web/3'], true],
      );
    }
    const { services, instances } = find('prod/shared');
    assert.deepEqual(
      [services, instances],
      [
        ['prod/a', 'prod/b'],
        ['prod/a/1', 'prod/b/1'],
      ],
    );
  });

  it('is also an identity that the file has not any more, while a certificate has it', () => {
    assert.deepEqual(find('prod/gone').instances, ['prod/gone/1']);
  });

  it('may be named by the first twelve digits that status shows, if no other serial has them', () => {
    assert.equal(find('AAAAAAAAAAAA').what, 'aaaaaaaaaaaa01');
    assert.match(refusal('aaaaaaaaaaa'), /^unknown_certificate: /);
    assert.match(refusal('bbbbbbbbbbbb'), /^ambiguous_certificate: several certificates .* write all of it$/);
  });

  it('is never guessed', () => {
    assert.match(refusal('prod/edge'), /^ambiguous_identity: prod\/edge is an identity, and a service of another one/);
    assert.match(
      refusal('prod/front'),
      /^unknown_identity: the service prod\/front has the identity \S+\/edge: write that/,
    );
    assert.match(refusal('prod/nobody'), /^unknown_identity: /);
    assert.match(refusal('ffff'), /^unknown_certificate: no certificate of a workload .* serial ffff/);
    assert.match(refusal('spiffe://other.example/ns/prod/sa/web'), /^unknown_identity: .*another trust domain/);
    for (const odd of ['', 'web', 'prod/web/1', 'spiffe://', '/web', 'prod/', 'a\nb'])
      assert.match(refusal(odd), /^invalid_request: /, odd);
  });
});
