import assert from 'node:assert/strict';
import { ok } from '../../../src/lib/result.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { startXdsServer } from '../../../src/xds/server.ts';
import { openAds } from '../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../support/controlPlaneTls.ts';
import { until } from '../../support/until.ts';

const CROWD = 20;
/** What telling of one end costs here: more than a slice of time. */
const COSTS = 6;

describe('a crowd that hangs up at once', function () {
  this.timeout(20_000);

  it('is told of one by one, with turns of the loop between, and all of it before the server is closed', async () => {
    let [opened, closed, turns] = [0, 0, 0];
    const server = await startXdsServer({
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls,
      authenticate: async () => ok(undefined),
      admit: async () => ok(undefined),
      onEvent: ({ kind }) => {
        if (kind === 'opened') opened += 1;
        if (kind !== 'closed') return;
        closed += 1;
        for (const from = performance.now(); performance.now() - from < COSTS; );
      },
    });
    const counting = setInterval(() => {
      turns += 1;
    }, 1);
    try {
      const trust = { anchorPem: tls.chainPem, serverId: SERVER_ID, token: 'good' };
      const clients = Array.from({ length: CROWD }, (_, index) =>
        openAds({ address: server.address(), ...trust, nodeId: `prod/web/${index}` }),
      );
      for (const client of clients) client.ask(TYPE.cds);
      await until(() => opened === CROWD);
      turns = 0;
      for (const client of clients) client.close();
      await until(() => closed > 0);
    } finally {
      await server.close(1_000);
      clearInterval(counting);
    }
    assert.equal(closed, CROWD);
    assert.ok(turns >= CROWD / 2, `${turns} turns`);
  });
});
