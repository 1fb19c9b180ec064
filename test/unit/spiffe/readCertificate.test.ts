import assert from 'node:assert/strict';
import { readOid, readUris } from '../../../src/spiffe/readCertificate.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

describe('the reader of certificates', () => {
  it('knows one spelling of an OID', () => {
    assert.equal(readOid(bytes('551d11')), '2.5.29.17');
    assert.equal(readOid(bytes('2a8648ce3d0201')), '1.2.840.10045.2.1');
    for (const padded of ['80551d11', '55801d11', '551d8011'])
      assert.throws(() => readOid(bytes(padded)), /padded OID/);
    for (const cut of ['551d1180', '551d11ff']) assert.throws(() => readOid(bytes(cut)), /cut off OID/);
    assert.throws(() => readOid(bytes('')), /empty OID/);
  });

  it('reads the URIs of one list of names, and nothing beside it', () => {
    assert.deepEqual(readUris(bytes('3003860161')), ['a']);
    assert.deepEqual(readUris(bytes('3006860161860162')), ['a', 'b']);
    assert.throws(() => readUris(bytes('30038601613003860162')), /more than one list of names/);
    assert.throws(() => readUris(bytes('3003820161')), /tag 130 instead of 134/);
    assert.throws(() => readUris(bytes('')), /tag undefined/);
  });
});
