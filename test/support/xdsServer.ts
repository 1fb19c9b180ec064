import { err, ok } from '../../src/lib/result.ts';
import { startXdsServer, type XdsServer, type XdsServerOptions } from '../../src/xds/server.ts';
import { serverTls } from './controlPlaneTls.ts';

/** An xDS server on loopback that knows everybody whose token begins with `good`, and admits every node of theirs. */
export const openXdsServer = (changes: Partial<XdsServerOptions<string>>): Promise<XdsServer> =>
  startXdsServer<string>({
    listen: { host: '127.0.0.1', port: 0 },
    tls: serverTls,
    authenticate: async ({ authorization = '' }) =>
      authorization.startsWith('Bearer good')
        ? ok(authorization)
        : err({ code: 'unauthenticated', message: 'no such token' }),
    admit: async () => ok(undefined),
    credentialOf: (caller) => caller,
    onEvent: () => {},
    ...changes,
  });
