import assert from 'node:assert/strict';
import { JoinTokens } from '../../../src/control/joinTokens.ts';
import { reveal } from '../../../src/lib/secret.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';

const NOW = Date.UTC(2027, 0, 1);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const REJOIN = 7 * DAY;

const setUp = () => {
  const store = memoryStore();
  return { store, tokens: new JoinTokens(store) };
};

const codeOf = (result: { ok: boolean; error?: { code: string } }): string =>
  result.ok ? 'ok' : (result.error?.code ?? '');

describe('join tokens', () => {
  it('prove themselves, and nothing else does', async () => {
    const { tokens } = setUp();
    const { token, record } = await tokens.create('prod/web', HOUR, 1, NOW);
    const text = reveal(token);
    assert.match(text, /^signet_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    const proven = tokens.authenticate(`Bearer ${text}`);
    assert.ok(proven.ok && proven.value.id === record.id);
    const last = text.endsWith('A') ? 'B' : 'A';
    const wrong = [
      undefined,
      '',
      text,
      `Basic ${text}`,
      `Bearer ${text.slice(0, -1)}${last}`,
      `Bearer ${text}x`,
      'Bearer signet_0000000000000000_x',
    ];
    const answers = wrong.map((header) => tokens.authenticate(header));
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    assert.equal(codeOf(answers[0] ?? { ok: true }), 'unauthenticated');
  });

  it('are stored as a hash only', async () => {
    const { store, tokens } = setUp();
    const { token } = await tokens.create('prod/web', HOUR, 1, NOW);
    const random = reveal(token).split('_').slice(2).join('_');
    const kept = store.list('').map(({ value }) => Buffer.from(value).toString());
    assert.ok(kept.length > 0 && kept.every((text) => !text.includes(random)));
  });

  it('let in as many instances as they have uses, and a reconnect is not a use', async () => {
    const { tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 2, NOW);
    const join = (node: string, at = NOW) => tokens.join(record.id, node, REJOIN, at);
    assert.equal(codeOf(await join('prod/web/a')), 'ok');
    assert.equal(codeOf(await join('prod/web/a')), 'ok');
    assert.equal(codeOf(await join('prod/web/b')), 'ok');
    assert.equal(codeOf(await join('prod/web/c')), 'unauthenticated');
    assert.equal(codeOf(await join('prod/web/a', NOW + DAY)), 'ok');
    assert.equal(tokens.get(record.id)?.joined, 2);
  });

  it('do not let two in at once by the last use', async () => {
    const { tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 1, NOW);
    const nodes = ['a', 'b', 'c', 'd'].map((name) => `prod/web/${name}`);
    const codes = await Promise.all(nodes.map(async (node) => codeOf(await tokens.join(record.id, node, REJOIN, NOW))));
    assert.deepEqual(codes.sort(), ['ok', 'unauthenticated', 'unauthenticated', 'unauthenticated']);
  });

  it('let a whole crowd in at once, as many as they have uses', async () => {
    const { tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 40, NOW);
    const crowd = Array.from({ length: 41 }, (_, index) => tokens.join(record.id, `prod/web/${index}`, REJOIN, NOW));
    const codes = (await Promise.all(crowd)).map(codeOf);
    assert.deepEqual(codes, [...Array(40).fill('ok'), 'unauthenticated']);
  });

  it('end for new instances at their time, and go on for those who joined', async () => {
    const { tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 5, NOW);
    assert.equal(codeOf(await tokens.join(record.id, 'prod/web/a', REJOIN, NOW + HOUR - 1)), 'ok');
    assert.equal(codeOf(await tokens.join(record.id, 'prod/web/b', REJOIN, NOW + HOUR)), 'unauthenticated');
    assert.equal(codeOf(await tokens.join(record.id, 'prod/web/a', REJOIN, NOW + 7 * DAY)), 'ok');
  });

  it('take an instance back until it was away for longer than mesh.rejoin', async () => {
    const { tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 5, NOW);
    await tokens.join(record.id, 'prod/web/a', REJOIN, NOW);
    await tokens.seen(['prod/web/a'], NOW + DAY);
    assert.equal(codeOf(await tokens.join(record.id, 'prod/web/a', REJOIN, NOW + DAY + REJOIN)), 'ok');
    assert.equal(
      codeOf(await tokens.join(record.id, 'prod/web/a', REJOIN, NOW + DAY + 2 * REJOIN + 1)),
      'unauthenticated',
    );
  });

  it('are over when revoked, for everybody', async () => {
    const { tokens } = setUp();
    const { token, record } = await tokens.create('prod/web', HOUR, 5, NOW);
    await tokens.join(record.id, 'prod/web/a', REJOIN, NOW);
    assert.equal(await tokens.revoke(record.id, NOW), true);
    assert.equal(await tokens.revoke('0000000000000000', NOW), false);
    assert.equal(codeOf(tokens.authenticate(`Bearer ${reveal(token)}`)), 'unauthenticated');
    assert.equal(codeOf(await tokens.join(record.id, 'prod/web/a', REJOIN, NOW)), 'unauthenticated');
  });

  it('do not take a node id from each other, unless the holder is revoked or away too long', async () => {
    const { tokens } = setUp();
    const first = await tokens.create('prod/web', 90 * DAY, 5, NOW);
    const second = await tokens.create('prod/web', 90 * DAY, 5, NOW);
    const take = (at: number) => tokens.join(second.record.id, 'prod/web/a', REJOIN, at);
    await tokens.join(first.record.id, 'prod/web/a', REJOIN, NOW);
    assert.equal(codeOf(await take(NOW + DAY)), 'permission_denied');
    assert.equal(codeOf(await take(NOW + REJOIN + 1)), 'ok');
    const third = await tokens.create('prod/web', 90 * DAY, 5, NOW);
    await tokens.revoke(second.record.id, NOW);
    assert.equal(codeOf(await tokens.join(third.record.id, 'prod/web/a', REJOIN, NOW + REJOIN + 1)), 'ok');
  });

  it('are forgotten when they can let nobody in again', async () => {
    const { store, tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 5, NOW);
    await tokens.join(record.id, 'prod/web/a', REJOIN, NOW);
    await tokens.prune(REJOIN, NOW + REJOIN);
    assert.equal(store.list('').length, 2);
    await tokens.prune(REJOIN, NOW + REJOIN + HOUR + 1);
    assert.equal(store.list('').length, 0);
  });

  it('let nobody in while the store refuses', async () => {
    const { store, tokens } = setUp();
    const { record } = await tokens.create('prod/web', HOUR, 1, NOW);
    store.broken = true;
    await assert.rejects(tokens.join(record.id, 'prod/web/a', REJOIN, NOW), { code: 'store_unavailable' });
    store.broken = false;
    assert.equal(codeOf(await tokens.join(record.id, 'prod/web/b', REJOIN, NOW)), 'ok');
  });
});
