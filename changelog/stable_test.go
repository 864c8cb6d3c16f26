package changelog

// stableHashes are the hashes of the row of TestHashIsStable, by column and all together.
var stableHashes = []uint64{0x4cec58eff65d8c3a, 0x1094c51b3ed4727a, 0x1094c51b3ed4727a, 0x1094c51b3ed4727a, 0x1e8f57af958126f2, 0x1e8f57af958126f2, 0x5cafff848f961f52, 0x964b276b7a6b7586, 0x6c1ebd6c8a41bf48, 0x6c1ebd6c8a41bf48, 0xa8bd5a514198768f, 0x4cec58eff65d8c3a, 0x4cec58eff65d8c3a, 0x13758d968141b237, 0x4b08b63739ef2316, 0x98ceef351ad4c274, 0x18ef1b6f4b44ca0a, 0x2517e28f41652e27, 0x98ceef351ad4c274, 0x56b016d2d60efae3}
