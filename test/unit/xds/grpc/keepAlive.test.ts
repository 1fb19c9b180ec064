import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerHttp2Session } from 'node:http2';
import { keepAlive } from '../../../../src/xds/grpc/keepAlive.ts';
import { until } from '../../../support/until.ts';

type Answer = (error: Error | null) => void;

const newSession = (onPing: (answer: Answer) => boolean) => {
  const session = Object.assign(new EventEmitter(), {
    destroyed: false,
    closed: false,
    pings: 0,
    ping: (answer: Answer): boolean => {
      session.pings += 1;
      return onPing(answer);
    },
  });
  const cut = (): void => {
    session.destroyed = true;
    session.emit('close');
  };
  keepAlive(session as unknown as ServerHttp2Session, cut, 5, 20);
  return Object.assign(session, { cut });
};

describe('keepalive', () => {
  it('pings again and again while the peer answers', async () => {
    const session = newSession((answer) => {
      setImmediate(answer, null);
      return true;
    });
    await until(() => session.pings > 3);
    assert.equal(session.destroyed, false);
    session.cut();
    const pings = session.pings;
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(session.pings, pings);
  });

  it('ends a connection whose peer does not answer, or cannot be pinged', async () => {
    const silent = newSession(() => true);
    const full = newSession(() => false);
    const failing = newSession((answer) => {
      setImmediate(answer, new Error('no'));
      return true;
    });
    await until(() => silent.destroyed && full.destroyed && failing.destroyed);
    assert.deepEqual([silent.pings, full.pings, failing.pings], [1, 1, 1]);
  });

  it('leaves a session that closes to the calls that are under way', async () => {
    // What Node does: the answer is an error, and no ping was sent.
    const closing = newSession((answer) => {
      setImmediate(answer, new Error('cancelled'));
      return false;
    });
    closing.closed = true;
    const meanwhile = newSession((answer) => {
      meanwhile.closed = true;
      setImmediate(answer, new Error('cancelled'));
      return true;
    });
    await until(() => meanwhile.pings === 1);
    await new Promise((resolve) => setTimeout(resolve, 40));
    assert.deepEqual([closing.destroyed, meanwhile.destroyed], [false, false]);
  });
});
