import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { fromJSON, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { codecOf } from './adsClient.ts';

/** An operator's tool on the xDS port, for tests: client status and reflection. It shares no code with `src/xds`. */
export type OperatorClient = {
  /** Sends these messages on one call and ends it; resolves with all answers, rejects with the status. */
  readonly call: (method: string, messages: readonly Buffer[]) => Promise<readonly Buffer[]>;
  /** Opens a call, sends this and leaves it open; the answer is the first message. Rejects with the status. */
  readonly hold: (method: string, message: Buffer) => Promise<Buffer>;
  readonly close: () => void;
};

export type OperatorOptions = {
  readonly address: { readonly host: string; readonly port: number };
  readonly anchorPem: string;
  /** The whole `authorization`, each time it is sent. */
  readonly authorization: readonly string[];
};

/** As grpcdebug comes: in plaintext, with no metadata. */
export const openPlain = (target: string): OperatorClient =>
  operatorOn(new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }), []);

const identity = (bytes: Buffer): Buffer => bytes;

export const openOperator = ({ address, anchorPem, authorization }: OperatorOptions): OperatorClient => {
  const tls = credentials.createSsl(Buffer.from(anchorPem), null, null, { checkServerIdentity: () => undefined });
  const client = new Client(`${address.host}:${address.port}`, tls, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.ssl_target_name_override': 'control-plane',
  });
  return operatorOn(client, authorization);
};

const operatorOn = (client: Client, authorization: readonly string[]): OperatorClient => {
  const open = (method: string) => {
    const headers = new Metadata();
    for (const value of authorization) headers.add('authorization', value);
    return client.makeBidiStreamRequest(`/${method}`, identity, identity, headers);
  };
  return {
    call: (method, messages) =>
      new Promise((resolve, reject) => {
        const call = open(method);
        const answers: Buffer[] = [];
        call.on('data', (bytes: Buffer) => answers.push(bytes));
        call.on('error', reject);
        call.on('end', () => resolve(answers));
        for (const message of messages) call.write(message);
        call.end();
      }),
    hold: (method, message) =>
      new Promise((resolve, reject) => {
        const call = open(method);
        call.on('data', resolve);
        call.on('error', reject);
        call.write(message);
      }),
    close: () => client.close(),
  };
};

/** The status that a call ends with, as `CODE details`. */
export const statusOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'OK';
  } catch (error) {
    const { code, details } = error as ServiceError;
    return `${status[code]} ${details}`;
  }
};

const CSDS = 'envoy.service.status.v3.ClientStatusDiscoveryService';
export const FETCH = `${CSDS}/FetchClientStatus`;
export const STREAM = `${CSDS}/StreamClientStatus`;
export const HEALTH = 'grpc.health.v1.Health/Check';

const statusRequest = codecOf('envoy.service.status.v3.ClientStatusRequest');
const statusResponse = codecOf('envoy.service.status.v3.ClientStatusResponse');

type AnyMessage = { readonly type_url: string; readonly value: Buffer } | null;

export type ConfigTold = {
  readonly type_url: string;
  readonly name: string;
  readonly version_info: string;
  readonly xds_config: AnyMessage;
  readonly last_updated: object | null;
  readonly config_status: string;
  readonly client_status: string;
  readonly error_state: {
    readonly failed_configuration: AnyMessage;
    readonly last_update_attempt: object | null;
    readonly details: string;
    readonly version_info: string;
  } | null;
};

export type ClientTold = {
  readonly node: { readonly id: string; readonly user_agent_name: string; readonly user_agent_version: string };
  readonly generic_xds_configs: readonly ConfigTold[];
};

export const encodeStatusRequest = (request: object): Buffer => statusRequest.encode(request);

export const decodeStatus = (bytes: Buffer): readonly ClientTold[] =>
  (statusResponse.decode(bytes) as { config: ClientTold[] }).config;

const field = (type: string, id: number, rule?: 'repeated') => (rule === undefined ? { type, id } : { type, id, rule });

/** What of the reflection protocol these tests ask; as JSON, because its .proto comes with no package that is here. */
const reflection: PackageDefinition = fromJSON(
  {
    nested: {
      Extension: { fields: { containing_type: field('string', 1), extension_number: field('int32', 2) } },
      Request: {
        fields: {
          host: field('string', 1),
          file_by_filename: field('string', 3),
          file_containing_symbol: field('string', 4),
          file_containing_extension: field('Extension', 5),
          all_extension_numbers_of_type: field('string', 6),
          list_services: field('string', 7),
        },
        oneofs: {
          asks: {
            oneof: [
              'file_by_filename',
              'file_containing_symbol',
              'file_containing_extension',
              'all_extension_numbers_of_type',
              'list_services',
            ],
          },
        },
      },
      Files: { fields: { file_descriptor_proto: field('bytes', 1, 'repeated') } },
      Numbers: { fields: { base_type_name: field('string', 1), extension_number: field('int32', 2, 'repeated') } },
      Service: { fields: { name: field('string', 1) } },
      Services: { fields: { service: field('Service', 1, 'repeated') } },
      Fault: { fields: { error_code: field('int32', 1), error_message: field('string', 2) } },
      Response: {
        fields: {
          valid_host: field('string', 1),
          original_request: field('Request', 2),
          file_descriptor_response: field('Files', 4),
          all_extension_numbers_response: field('Numbers', 5),
          list_services_response: field('Services', 6),
          error_response: field('Fault', 7),
        },
      },
    },
  },
  { keepCase: true, arrays: true, defaults: true },
);

type Codec = MessageTypeDefinition<object, object>;

export type Reflected = {
  readonly valid_host: string;
  readonly original_request: { readonly host: string; readonly list_services: string } | null;
  readonly file_descriptor_response: { readonly file_descriptor_proto: readonly Buffer[] } | null;
  readonly all_extension_numbers_response: { readonly extension_number: readonly number[] } | null;
  readonly list_services_response: { readonly service: readonly { readonly name: string }[] } | null;
  readonly error_response: { readonly error_code: number; readonly error_message: string } | null;
};

export const REFLECT = 'grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
export const REFLECT_OLD = 'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';

export const encodeQuestion = (question: object): Buffer => (reflection.Request as Codec).serialize(question);

export const decodeReflected = (bytes: Buffer): Reflected =>
  (reflection.Response as Codec).deserialize(bytes) as Reflected;
