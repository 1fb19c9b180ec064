/** How a call ends. https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const STATUS = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type StatusCode = (typeof STATUS)[keyof typeof STATUS];

/** Why a call ends, in a sentence that the client is told. */
export type Fault = { readonly code: StatusCode; readonly message: string };
