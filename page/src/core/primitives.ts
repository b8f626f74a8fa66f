// The cryptographic primitives that the checks use. The environment installs them: those of the browser in the page, those of node
// on the command line, so that the checks themselves are the same in both.

/** How a signature of a time stamp was made. */
export type SignatureScheme =
  | { kind: "rsa"; hash: HashName }
  | { kind: "ecdsa"; curve: "P-256" | "P-384"; hash: HashName };

export type HashName = "SHA-256" | "SHA-384" | "SHA-512";

export interface Primitives {
  sha256(...parts: Uint8Array[]): Uint8Array;
  /** Any of the hashes that a time stamp may name; SHA-1 only to compare with RFC 2634's signingCertificate. */
  digest(name: HashName | "SHA-1", bytes: Uint8Array): Uint8Array;
  hmacSha512(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array;
  /** RFC 8032 without cofactor, `S` canonical, and `R` compared as bytes. Small orders and the form of the key are ed25519.ts's. */
  ed25519(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean;
  /** Opens AES-256-GCM with a tag of 16 bytes at the end and no associated data; null if it does not authenticate. */
  openAesGcm(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | null>;
  /** Checks an RSA PKCS#1 v1.5 or ECDSA signature (DER) under a SubjectPublicKeyInfo. */
  verify(scheme: SignatureScheme, spki: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean>;
}

let installed: Primitives | null = null;

export function install(primitives: Primitives): void {
  installed = primitives;
}

export function primitives(): Primitives {
  if (!installed) throw new Error("no cryptographic primitives were installed");
  return installed;
}

export function sha256(...parts: Uint8Array[]): Uint8Array {
  return primitives().sha256(...parts);
}
