import { status } from '@grpc/grpc-js';
import { bearerCheck } from '../../../src/lib/bearer.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { secret } from '../../../src/lib/secret.ts';
import { afterEvent, type SidecarRecord } from '../../../src/xds/ledger.ts';
import { type StreamEvent, type StreamId, startXdsServer, type XdsServer } from '../../../src/xds/server.ts';
import { type AdsClient, openAds } from '../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../support/controlPlaneTls.ts';
import { type OperatorClient, openOperator } from '../../support/operatorClient.ts';

export const ADMIN = 'the-admin-token';
export const JOIN = 'a-join-token';

/** A real server over TLS with a ledger, as `compose` puts it together, sidecars and operators. */
export type OperatorsWorld = {
  readonly server: XdsServer;
  readonly events: StreamEvent[];
  readonly ledger: ReadonlyMap<StreamId, SidecarRecord>;
  readonly sidecar: (nodeId: string) => AdsClient;
  readonly streamOf: (nodeId: string) => StreamId | undefined;
  /** With the admin token unless told otherwise. */
  readonly operator: (...authorization: readonly string[]) => OperatorClient;
  readonly close: () => Promise<void>;
};

export const startOperatorsWorld = async (): Promise<OperatorsWorld> => {
  const events: StreamEvent[] = [];
  const ledger = new Map<StreamId, SidecarRecord>();
  const open: { readonly close: () => void }[] = [];
  const server = await startXdsServer<undefined>({
    listen: { host: '127.0.0.1', port: 0 },
    tls: serverTls,
    authenticate: async ({ authorization }) =>
      authorization === `Bearer ${JOIN}` ? ok(undefined) : err({ code: 'unauthenticated', message: 'no such token' }),
    admit: async () => ok(undefined),
    onEvent: (event) => {
      events.push(event);
      const after = afterEvent(ledger.get(event.stream), event);
      if (after === undefined) ledger.delete(event.stream);
      else ledger.set(event.stream, after);
    },
    operators: { admits: bearerCheck(secret(ADMIN)), ledger: () => [...ledger.values()] },
  });
  const keep = <T extends { readonly close: () => void }>(thing: T): T => {
    open.push(thing);
    return thing;
  };
  const there = { address: server.address(), anchorPem: tls.chainPem };
  return {
    server,
    events,
    ledger,
    sidecar: (nodeId) => keep(openAds({ ...there, serverId: SERVER_ID, token: JOIN, nodeId })),
    streamOf: (nodeId) => [...ledger.values()].find(({ node }) => node.id === nodeId)?.stream,
    operator: (...authorization) =>
      keep(openOperator({ ...there, authorization: authorization.length === 0 ? [`Bearer ${ADMIN}`] : authorization })),
    close: async () => {
      for (const each of open) each.close();
      await server.close(200);
    },
  };
};

export const DENIED = `${status[status.UNAUTHENTICATED]} client status and reflection are for holders of the admin token`;
