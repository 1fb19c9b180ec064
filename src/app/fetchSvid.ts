import { X509Certificate } from 'node:crypto';
import { type Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Join } from '../control/bootstraps.ts';
import { METADATA } from '../envoy/bootstrap.ts';
import { Secret as SdsSecret } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import { DiscoveryRequest, DiscoveryResponse } from '../gen/envoy/service/discovery/v3/discovery.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { showHostPort } from '../lib/hostPort.ts';
import { reveal, type Secret, secret } from '../lib/secret.ts';
import type { Duration } from '../lib/time.ts';
import { readCertificate, serialText } from '../spiffe/readCertificate.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { openXdsClient } from './xdsClient.ts';

export type { Join };

/** The part of an X.509-SVID that a TLS client needs. */
export type ClientSvid = Omit<X509Svid, 'id'>;

/** Why no SVID was had: the control plane said no to the credential, or to anything, or did not answer. */
export type FetchFailure = 'unauthenticated' | 'refused' | 'unreachable';

const PATIENCE: Duration = 10_000;
const METHOD = '/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets';

/**
 * The present X.509-SVID of a node, over the xDS port, which a sidecar reaches where it cannot reach the admin API.
 * @throws AppError a `FetchFailure`, with one sentence
 */
export const fetchSvid = async (join: Join, node: string, shown: Secret | ClientSvid): Promise<ClientSvid> => {
  const client = openXdsClient(join, 'chainPem' in shown ? shown : undefined);
  try {
    return readSvid(await call(client, node, 'chainPem' in shown ? undefined : shown));
  } catch (error) {
    throw failure(error, showHostPort(join.xds));
  } finally {
    client.close();
  }
};

const call = (client: Client, node: string, token: Secret | undefined): Promise<DiscoveryResponse> =>
  new Promise((resolve, reject) => {
    const headers = new Metadata();
    if (token !== undefined) headers.set('authorization', `Bearer ${reveal(token)}`);
    // So that a clock that is wrong, here or there, gets a name (docs/certificates.md).
    const request = DiscoveryRequest.fromPartial({ node: { id: node, metadata: { [METADATA.time]: Date.now() } } });
    const encode = (message: DiscoveryRequest): Buffer => Buffer.from(DiscoveryRequest.encode(message).finish());
    const decode = (bytes: Buffer): DiscoveryResponse => DiscoveryResponse.decode(bytes);
    const deadline = { deadline: Date.now() + PATIENCE };
    client.makeUnaryRequest(METHOD, encode, decode, request, headers, deadline, (error, response) => {
      if (response === undefined) reject(error ?? new Error('there is no response'));
      else resolve(response);
    });
  });

/** @throws Error, without a byte of a key */
const readSvid = ({ resources }: DiscoveryResponse): ClientSvid => {
  const found = resources.flatMap(({ value }) => {
    const { type } = SdsSecret.decode(value);
    return type?.$case === 'tlsCertificate' ? [type.value] : [];
  });
  const chain = found[0]?.certificateChain?.specifier;
  const key = found[0]?.privateKey?.specifier;
  if (found.length !== 1 || chain?.$case !== 'inlineBytes' || key?.$case !== 'inlineBytes') {
    throw new Error('the answer holds no certificate with its key');
  }
  const chainPem = Buffer.from(chain.value).toString('latin1');
  const { serial, notBefore, notAfter } = readCertificate(new X509Certificate(chainPem).raw);
  const keyPem = secret(Buffer.from(key.value).toString('latin1'));
  return { chainPem, keyPem, serial: serialText(serial), notBefore, notAfter };
};

const SAID: Readonly<Partial<Record<status, FetchFailure>>> = {
  [status.UNAUTHENTICATED]: 'unauthenticated',
  [status.PERMISSION_DENIED]: 'refused',
  [status.INVALID_ARGUMENT]: 'refused',
};

const isServiceError = (error: unknown): error is ServiceError => error instanceof Error && 'details' in error;

const failure = (error: unknown, where: string): AppError<FetchFailure> => {
  const code = isServiceError(error) ? SAID[error.code] : undefined;
  const words = (isServiceError(error) ? error.details : messageOf(error)).replaceAll(/\s+/g, ' ').trim();
  if (code !== undefined) return new AppError(code, `the control plane at ${where} refuses this sidecar: ${words}`);
  return new AppError('unreachable', `no client certificate can be had from the control plane at ${where} (${words})`);
};
