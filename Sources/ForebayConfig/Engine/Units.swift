/// Bytes.
let (KiB, MiB, GiB, TiB) = (1 << 10, 1 << 20, 1 << 30, 1 << 40)
/// Milliseconds.
let (second, hour) = (1000, 3_600_000)
