// The digests of one file: SHA-256, BLAKE3 and an RFC 6962 tree over leaves of 1 MiB. Source: docs/spec/exhibit.md §7.

/** Bytes of a file in every leaf of its tree but the last. */
export const TREE_LEAF_BYTES = 1024 * 1024;

export interface Digests {
  size: number;
  /** Hexadecimal digits, like the others. */
  sha256: string;
  blake3: string;
  tree: string;
}

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const EMPTY_BLAKE3 = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

export function emptyDigests(): Digests {
  return { size: 0, sha256: EMPTY_SHA256, blake3: EMPTY_BLAKE3, tree: EMPTY_SHA256 };
}
