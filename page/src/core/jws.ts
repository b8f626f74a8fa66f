// Compact JWS and JWS in general serialisation, with EdDSA. Source: RFC 7515, RFC 8037; docs/spec/custody.md, identity.md §4.

import { fromBase64Url, Refusal, toHex, toUtf8 } from "./bytes.js";
import { verifyEd25519 } from "./ed25519.js";
import { array, object, readStrict, string } from "./json.js";

const MAX_JWS_BYTES = 192 * 1024;
const MAX_GENERAL_BYTES = 512 * 1024;
const MAX_SIGNATURES = 64;

export type Typ = "custodia-intent+jws" | "custodia-trust-list+jws";

const header = object({ alg: string, typ: string, "x5t#S256": string });

function decode(part: string): Uint8Array {
  const bytes = fromBase64Url(part);
  if (!bytes) throw new Refusal("malformed JWS: not unpadded base64url");
  return bytes;
}

/** The certificate id that a header names, in hexadecimal digits. */
function signerOf(bytes: Uint8Array, typ: Typ): string {
  let read: { alg: string; typ: string; "x5t#S256": string };
  try {
    read = readStrict(bytes, header);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal("malformed JWS: the header is not an object of exactly alg, typ and x5t#S256, in that order and without white space");
  }
  if (read.alg !== "EdDSA") throw new Refusal("malformed JWS: alg is not EdDSA");
  if (read.typ !== typ) throw new Refusal(`the JWS was signed for another use than ${typ}`);
  const signer = fromBase64Url(read["x5t#S256"]);
  if (signer?.length !== 32) throw new Refusal("malformed JWS: x5t#S256 is not 32 bytes in base64url");
  return toHex(signer);
}

export interface CompactJws {
  payload: Uint8Array;
  signer: string;
  signingInput: Uint8Array;
  signature: Uint8Array;
}

/** Reads a compact JWS; its signature is not checked. */
export function parseCompact(text: string, typ: Typ): CompactJws {
  if (toUtf8(text).length > MAX_JWS_BYTES) throw new Refusal("malformed JWS: longer than 196608 bytes");
  const parts = text.split(".");
  if (parts.length !== 3) throw new Refusal("malformed JWS: not three parts joined by dots");
  const [head, payload, last] = parts as [string, string, string];
  const signer = signerOf(decode(head), typ);
  const signature = decode(last);
  if (signature.length !== 64) throw new Refusal("malformed JWS: the signature is not 64 bytes");
  return { payload: decode(payload), signer, signingInput: toUtf8(`${head}.${payload}`), signature };
}

/** Refuses unless the key made the signature. */
export function checkCompact(jws: CompactJws, key: Uint8Array): void {
  if (!verifyEd25519(jws.signature, jws.signingInput, key)) throw new Refusal("the JWS signature does not verify");
}

export interface GeneralJws {
  payload: Uint8Array;
  signatures: { signer: string; signingInput: Uint8Array; signature: Uint8Array }[];
}

const general = object({ payload: string, signatures: array(object({ protected: string, signature: string })) });

/** Reads a JWS in general serialisation, with at most 64 signatures, possibly none; none is checked. */
export function parseGeneral(text: string, typ: Typ): GeneralJws {
  const bytes = toUtf8(text);
  if (bytes.length > MAX_GENERAL_BYTES) throw new Refusal("malformed JWS: longer than 524288 bytes");
  const form = readStrict(bytes, general);
  if (form.signatures.length > MAX_SIGNATURES) throw new Refusal("malformed JWS: more than 64 signatures");
  const payload = decode(form.payload);
  const signatures = form.signatures.map((one) => {
    const signer = signerOf(decode(one.protected), typ);
    const signature = decode(one.signature);
    if (signature.length !== 64) throw new Refusal("malformed JWS: the signature is not 64 bytes");
    return { signer, signingInput: toUtf8(`${one.protected}.${form.payload}`), signature };
  });
  return { payload, signatures };
}
