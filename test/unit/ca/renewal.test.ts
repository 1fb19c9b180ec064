import assert from 'node:assert/strict';
import fc from 'fast-check';
import { expiryWindow, lifeInPlaceOf, renewalIn, renewalTime } from '../../../src/ca/renewal.ts';
import { DAY, HOUR, NOW } from './support.ts';

const A = 'prod/web/a';
const leaf = (issued: number, ttl: number) => ({ notBefore: issued - 60_000, notAfter: issued + ttl });

describe('the windows of a life', () => {
  it('count from the moment of issue, and renewal in time is in none of them', () => {
    for (const ttl of [10_000, HOUR, DAY]) {
      const svid = leaf(NOW, ttl);
      const at = (share: number) => expiryWindow(svid, NOW + ttl * share);
      assert.deepEqual([-0.0001, 0.6, 0.619, 0.63, 0.79, 0.81, 0.999, 1, 2].map(at), [
        'good',
        'good',
        'good',
        'overdue',
        'overdue',
        'ending',
        'ending',
        'expired',
        'expired',
      ]);
      assert.equal(expiryWindow(svid, svid.notBefore - 1), 'early');
      assert.equal(expiryWindow(svid, renewalTime(svid, A)), 'good');
    }
  });
});

describe('renewal where the clock may be behind', () => {
  it('comes before the certificate ends by the clock from before, and not ten times in one life', () => {
    const hours = fc.double({ min: 0.01, max: 48, noNaN: true });
    fc.assert(
      fc.property(hours, hours, (life, behind) => {
        const svid = leaf(NOW, life * HOUR);
        const wait = renewalIn(svid, A, NOW, behind * HOUR);
        assert.ok(wait <= renewalTime(svid, A) - NOW);
        assert.ok(wait >= (life * HOUR) / 10 - 1, 'not all the time');
        const left = (life - behind) * HOUR;
        if (left > (life * HOUR) / 5) assert.ok(wait <= left / 2 + 1, 'in time for who was not set back');
      }),
    );
  });

  it('takes nothing from a holder and gives nothing beyond twice the ttl', () => {
    assert.equal(lifeInPlaceOf(NOW + 40 * HOUR, DAY, NOW, 0), DAY, 'a clock that is right: the ttl');
    assert.equal(lifeInPlaceOf(NOW + 40 * HOUR, DAY, NOW, DAY), 40 * HOUR);
    assert.equal(lifeInPlaceOf(NOW + 400 * HOUR, DAY, NOW, 17 * DAY), 2 * DAY);
    assert.equal(lifeInPlaceOf(NOW + HOUR, DAY, NOW, HOUR), DAY);
  });
});
