import { createSecureContext } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import type { Channel } from '../control/bootstraps.ts';
import { showHostPort } from '../lib/hostPort.ts';
import { reveal } from '../lib/secret.ts';
import type { X509Svid } from '../spiffe/svid.ts';

/** A gRPC client of the xDS port, which knows its server by the channel CA and the one URI of its certificate. */
export const openXdsClient = (
  { xds, anchorPem, serverId }: Channel,
  own?: Pick<X509Svid, 'chainPem' | 'keyPem'>,
): Client => {
  const mine = own === undefined ? {} : { cert: own.chainPem, key: reveal(own.keyPem) };
  const context = createSecureContext({ ca: anchorPem, minVersion: 'TLSv1.3', ...mine });
  const channel = credentials.createFromSecureContext(context, {
    checkServerIdentity: (_host, { subjectaltname }) =>
      subjectaltname === `URI:${serverId}` ? undefined : new Error('the server is not the control plane'),
  });
  return new Client(showHostPort(xds), channel, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    // Whatever http_proxy is for, it is not for the control plane.
    'grpc.enable_http_proxy': 0,
    // An IP address is no TLS server name, and the server is known by its URI.
    'grpc.ssl_target_name_override': 'control-plane',
  });
};
