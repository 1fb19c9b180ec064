import assert from 'node:assert/strict';
import { refusedBy } from '../../../src/app/sidecar.ts';

describe('what signet sidecar says of a refused configuration', () => {
  it('names a remedy where a port is taken', () => {
    const words = "Error adding/updating listener(s) inbound/80: cannot bind '127.0.1.2:80': Address already in use";
    assert.equal(
      refusedBy(words),
      `Envoy refused its configuration: ${words}: something else listens there; give this sidecar an --address and an --outbound of its own`,
    );
  });

  it('says what Envoy says otherwise', () => {
    assert.equal(refusedBy('no such filter'), 'Envoy refused its configuration: no such filter');
  });
});
