"""The generator that C++ calls std::mt19937_64, for tests that follow a program's draws.

Source: Nishimura, Tables of 64-bit Mersenne twisters (2000).
"""
WORDS, MASK = 312, (1 << 64) - 1


def draws(seed):
    state = [seed & MASK]
    for i in range(1, WORDS):
        state.append((6364136223846793005 * (state[-1] ^ state[-1] >> 62) + i) & MASK)
    while True:
        for i in range(WORDS):
            both = state[i] & 0xFFFFFFFF80000000 | state[(i + 1) % WORDS] & 0x7FFFFFFF
            state[i] = state[(i + 156) % WORDS] ^ both >> 1 ^ (both & 1) * 0xB5026F5AA96619E9
        for x in state:
            x ^= x >> 29 & 0x5555555555555555
            x ^= x << 17 & 0x71D67FFFEDA60000
            x ^= x << 37 & 0xFFF7EEE000000000
            yield x ^ x >> 43
