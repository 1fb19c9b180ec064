// The limit: grpc-js and nothing else. It writes bytes that it was given, encoded beforehand, to whoever asks for their type.
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type handleBidiStreamingCall, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { LimitOrder, LimitReport, Recorded } from './messages.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const streams = new Set<ServerDuplexStream<Buffer, Buffer>>();
let recorded: Recorded = new Map();

/** The type of a DeltaDiscoveryRequest, unless it answers a response. */
const askedFor = (bytes: Buffer): string | undefined => {
  const reader = new BinaryReader(bytes);
  let [type, nonce] = ['', ''];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2) type = reader.string();
    else if (field === 6) nonce = reader.string();
    else reader.skip(wireType, field);
  }
  return nonce === '' ? type : undefined;
};

const serve: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  streams.add(call);
  call.on('data', (bytes: Buffer) => {
    const type = askedFor(bytes);
    for (const response of type === undefined ? [] : (recorded.get(type) ?? [])) call.write(response);
  });
  call.on('end', () => call.end());
  call.on('error', () => {});
  call.on('close', () => streams.delete(call));
};

const listen = ({ chainPem, keyPem, ...order }: LimitOrder & { readonly kind: 'listen' }): void => {
  recorded = order.recorded;
  const server = new Server({ 'grpc.max_send_message_length': -1, 'grpc.enable_channelz': 0 });
  const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
  const passing = { requestSerialize: identity, requestDeserialize: identity };
  const codec = { ...passing, responseSerialize: identity, responseDeserialize: identity };
  server.addService({ delta: { path, requestStream: true, responseStream: true, ...codec } }, { delta: serve });
  const pair = { cert_chain: Buffer.from(chainPem), private_key: Buffer.from(keyPem) };
  server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [pair]), (error, port) => {
    if (error !== null) throw error;
    process.send?.({ port } satisfies LimitReport);
  });
};

process.on('message', (order: LimitOrder) => {
  if (order.kind === 'listen') listen(order);
  else {
    for (const stream of streams) stream.write(order.response);
    process.send?.({ port: 0 } satisfies LimitReport);
  }
});
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
