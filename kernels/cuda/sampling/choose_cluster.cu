// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// One kernel, a cluster of blocks a row (sm_90 and later). Each block takes a stretch of the row, which it reads once into
// its shared memory: the best id; weights and numbers of ids by buckets of a 64th of a logit; the ids of the bucket in which
// a cut falls, which one block sorts; what stays. Between these the blocks hand each other sums through distributed shared
// memory; they are whole numbers, so that how many blocks there are changes nothing. Bound: 400 KB from L2 into sixteen
// multiprocessors take half a microsecond, an id weighed twice some hundred instructions, for 100,000 ids two more. What it
// takes beyond that, 7 us without a cut and 20 to 35 with one, are its up to ten barriers and the additions into buckets.
#include "cuda/sampling/choose.cuh"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"

#include <bit>
#include <type_traits>

namespace kernels::cuda {

namespace {

using namespace choosing;

constexpr int kThreads = 1024, kWarps = kThreads / 32;
constexpr int kMostRanks = 16;
constexpr int kAtOnce = 10;          // loads of a thread in flight
constexpr int kPlainSum = kBuckets;  // the sum of all weights at temperature 1 lies behind those of the buckets

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
__device__ inline int rankInCluster() { return static_cast<int>(__clusterRelativeBlockRank()); }
__device__ inline int ranksInCluster() { return static_cast<int>(__clusterSizeInBlocks()); }
// What lies in another block's shared memory at the place of `own` in this one's.
__device__ inline unsigned placeIn(const void *own, int rank)
{
    unsigned place;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(place) : "r"(static_cast<unsigned>(__cvta_generic_to_shared(own))), "r"(rank));
    return place;
}
template <typename T> __device__ T readIn(const T &own, int rank)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    const unsigned place = placeIn(&own, rank);
    if constexpr (sizeof(T) == 4) {
        unsigned value;
        asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(value) : "r"(place) : "memory");
        return static_cast<T>(value);
    } else {
        Units value;
        asm volatile("ld.shared::cluster.u64 %0, [%1];" : "=l"(value) : "r"(place) : "memory");
        return static_cast<T>(value);
    }
}
template <typename T> __device__ void writeIn(T &own, int rank, std::type_identity_t<T> value)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    const unsigned place = placeIn(&own, rank);
    if constexpr (sizeof(T) == 4)
        asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(place), "r"(static_cast<unsigned>(value)) : "memory");
    else
        asm volatile("st.shared::cluster.u64 [%0], %1;" ::"r"(place), "l"(static_cast<Units>(value)) : "memory");
}
__device__ inline void begin() { __cluster_barrier_arrive_relaxed(); }
__device__ inline void waitForBeginnings() { __cluster_barrier_wait(); }
__device__ __noinline__ void meet()
{
    __cluster_barrier_arrive();
    __cluster_barrier_wait();
}
__device__ inline unsigned greatest(unsigned value) { return __reduce_max_sync(kAllLanes, value); }
#else // launched on sm_90 and later only
__device__ inline int rankInCluster() { return 0; }
__device__ inline int ranksInCluster() { return kMostRanks; }
template <typename T> __device__ T readIn(const T &own, int) { return own; }
template <typename T> __device__ void writeIn(T &own, int, std::type_identity_t<T> value) { own = value; }
__device__ inline void begin() {}
__device__ inline void waitForBeginnings() {}
__device__ inline void meet() {}
__device__ inline unsigned greatest(unsigned value) { return value; }
#endif

// Where a cut falls: among the ids of a bucket.
struct Found {
    int bucket;
    unsigned ids, idsBefore; // of the bucket, of those before it
    Units massBefore;
};
// The last id that stays, by likelihood, and the weights up to it.
struct Edge {
    Units key, mass;
    unsigned isKnown; // else there are too many nearly equal ids
};
struct PerRank {
    Units best, mass, kept;
    unsigned broken, ids;
};
struct Shared {
    unsigned low[kBuckets + 1], high[kBuckets + 1]; // weights, in halves: each is one addition in shared memory
    unsigned counts[kBuckets];
    Units listed[2][kListed]; // of this block; of likely ids and of a cut
    unsigned listedCounts[2];
    Units keys[kListed]; // of all blocks, most likely first; before, sums of buckets
    Units partial[kWarps];
    Units foundKey;
    // What the others write here.
    PerRank ranks[kMostRanks];
    Found found[2];
    Edge edge;
};
enum Cut { Likely, Kept };

// Of a row among blocks and their warps, and of the buckets among blocks.
struct Division {
    int idsOfBlock, idsOfWarp;
    int bucketBits; // a block has so many buckets, a power of two
    bool fits; // a block's ids, beside `Shared`
};

__device__ Units greatest(Units value)
{
    const auto high = static_cast<unsigned>(value >> 32), most = greatest(high);
    return static_cast<Units>(most) << 32 | greatest(high == most ? static_cast<unsigned>(value & UINT_MAX) : 0U);
}
__device__ __noinline__ Units sumOfWarp(Units value)
{
    for (int distance = 16; distance > 0; distance /= 2)
        value += __shfl_xor_sync(kAllLanes, value, distance);
    return value;
}
// Up to and with this lane.
__device__ __noinline__ Units scanOfWarp(Units value)
{
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (int distance = 1; distance < 32; distance *= 2) {
        const Units other = __shfl_up_sync(kAllLanes, value, distance);
        value += lane >= distance ? other : 0;
    }
    return value;
}
// Sum over the threads before this one; `sum` becomes that over all.
__device__ __noinline__ Units scan(Shared &shared, Units value, Units &sum)
{
    const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    const Units inclusive = scanOfWarp(value);
    __syncthreads(); // the last use of `partial` is over
    if (lane == 31)
        shared.partial[warp] = inclusive;
    __syncthreads();
    const Units warps = scanOfWarp(lane < kWarps ? shared.partial[lane] : 0);
    const Units before = __shfl_sync(kAllLanes, warps, (warp + 31) % 32);
    sum = __shfl_sync(kAllLanes, warps, 31);
    return (warp == 0 ? 0 : before) + inclusive - value;
}
// The same over the ranks of the cluster, in every warp; a lane brings the number of its rank.
__device__ Units scanOfRanks(Units value, int rank, Units &sum)
{
    const Units inclusive = scanOfWarp(value);
    sum = __shfl_sync(kAllLanes, inclusive, 31);
    return __shfl_sync(kAllLanes, inclusive - value, rank);
}

__device__ void addUnits(Shared &shared, int bucket, Units units)
{
    const auto low = static_cast<unsigned>(units & UINT_MAX), old = atomicAdd(shared.low + bucket, low);
    const unsigned high = static_cast<unsigned>(units >> 32) + (old + low < old ? 1U : 0U);
    if (high != 0)
        atomicAdd(shared.high + bucket, high);
}
__device__ Units unitsIn(const Shared &shared, int rank, int bucket)
{
    return (static_cast<Units>(readIn(shared.high[bucket], rank)) << 32) + readIn(shared.low[bucket], rank);
}

// A block's part of a row: ids [first, end).
struct Stretch {
    const float *logits; // of `first` and on, in shared memory if they fit
    int first, end;
    template <typename Use> __device__ void forEach(Use use) const
    {
#pragma unroll 1
        for (int id = first + static_cast<int>(threadIdx.x); id < end; id += kThreads)
            use(id, logits[id - first]);
    }
};

__device__ void weigh(Shared &shared, const Stretch &stretch, const Weights &weights, const Wanted &wanted)
{
    const bool wantsCounts = wanted.cutsCount || wanted.alternatives > 0, wantsPlain = wanted.alternatives > 0;
    const bool wantsMasses = wanted.cutsMass;
    unsigned farIds = 0; // of the last bucket, in which most of a row may lie
    Units farUnits = 0, plain = 0;
    stretch.forEach([&](int, float value) {
        if (!isFinite(value))
            return;
        const int bucket = bucketOf(weights.best, value);
        const bool isFar = bucket == kBuckets - 1;
        if (isFar)
            ++farIds;
        else if (wantsCounts)
            atomicAdd(shared.counts + bucket, 1U);
        if (wantsPlain && weights.best - value <= kFarthest)
            plain += unitsOf(expf(value - weights.best));
        if (!wantsMasses || weights.isWeightless(value))
            return;
        const Units units = unitsOf(weights.of(value));
        if (isFar)
            farUnits += units;
        else if (units != 0)
            addUnits(shared, bucket, units);
    });
    const bool isFirstLane = threadIdx.x % 32 == 0;
    if (const auto ids = static_cast<unsigned>(sumOfWarp(farIds)); isFirstLane && ids != 0)
        atomicAdd(shared.counts + kBuckets - 1, ids);
#pragma unroll 1
    for (int bucket = kBuckets - 1; bucket <= kPlainSum; ++bucket)
        if (const Units units = sumOfWarp(bucket == kPlainSum ? plain : farUnits); isFirstLane && units != 0)
            addUnits(shared, bucket, units);
}

// The ids of all blocks' lists, most likely first: how many, or -1: more than fit. By the whole block.
__device__ __noinline__ int sortListed(Shared &shared, int cut)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, ranks = static_cast<unsigned>(ranksInCluster());
    const unsigned own = lane < ranks ? readIn(shared.listedCounts[cut], static_cast<int>(lane)) : 0;
    const auto inclusive = static_cast<unsigned>(scanOfWarp(own));
    const unsigned count = __shfl_sync(kAllLanes, inclusive, 31);
    if (count > kListed)
        return -1;
    const int from = static_cast<int>(warp & (ranks - 1)); // powers of two
    const unsigned theirs = __shfl_sync(kAllLanes, own, from), place = __shfl_sync(kAllLanes, inclusive - own, from);
    const int bits = __ffs(static_cast<int>(ranks)) - 1;
#pragma unroll 1
    for (unsigned i = (warp >> bits) * 32 + lane; i < theirs; i += (kWarps >> bits) * 32)
        shared.keys[place + i] = readIn(shared.listed[cut][i], from);
    unsigned size = 2;
    while (size < count)
        size *= 2;
#pragma unroll 1
    for (unsigned i = count + threadIdx.x; i < size; i += kThreads)
        shared.keys[i] = ULLONG_MAX;
    __syncthreads();
    // Bitonic, a thread a pair: up to a distance of 16 a warp keeps to its own 64 keys.
#pragma unroll 1
    for (unsigned run = 2; run <= size; run *= 2)
#pragma unroll 1
        for (unsigned distance = run / 2; distance > 0; distance /= 2) {
            if (distance >= 32)
                __syncthreads();
            else
                __syncwarp();
#pragma unroll 1
            for (unsigned pair = threadIdx.x; pair < size / 2; pair += kThreads) {
                const unsigned low = 2 * pair - (pair & (distance - 1)), high = low + distance;
                const Units a = shared.keys[low], b = shared.keys[high];
                if ((a > b) == ((low & run) == 0)) {
                    shared.keys[low] = b;
                    shared.keys[high] = a;
                }
            }
        }
    __syncthreads();
    return static_cast<int>(count);
}

__device__ __noinline__ void tellFound(Shared &shared, int cut, const Found &found)
{
#pragma unroll 1
    for (int rank = 0; rank < ranksInCluster(); ++rank) {
        Found &theirs = shared.found[cut];
        writeIn(theirs.bucket, rank, found.bucket);
        writeIn(theirs.ids, rank, found.ids);
        writeIn(theirs.idsBefore, rank, found.idsBefore);
        writeIn(theirs.massBefore, rank, found.massBefore);
    }
}

__device__ void writeLikely(Shared &shared, Choice &choice, int alternatives)
{
    const int thread = static_cast<int>(threadIdx.x);
    const int count = sortListed(shared, Likely);
    if (thread < alternatives) {
        const bool isOne = thread < count;
        const Units key = isOne ? shared.keys[thread] : 0;
        choice.likely[thread] = {isOne ? idOf(key) : -1, isOne ? valueOf(key) : 0.0F};
    }
    if (thread < 32) {
        const Units total = sumOfWarp(thread < ranksInCluster() ? unitsIn(shared, thread, kPlainSum) : 0);
        if (thread == 0)
            choice.total = static_cast<double>(total) / static_cast<double>(kWeightUnits);
    }
}

// The edge of a cut from the ids of the bucket it falls in, told to all blocks. By the whole block.
__device__ void tellEdge(Shared &shared, const Weights &weights, bool byCount, unsigned topK, double reached)
{
    const Found found = shared.found[Kept];
    const int count = sortListed(shared, Kept);
    Edge edge{0, 0, count > 0 ? 1U : 0U};
    if (edge.isKnown != 0) {
        constexpr int kEach = kListed / kThreads;
        const Units *own = shared.keys + kEach * threadIdx.x;
        const int listed = count - kEach * static_cast<int>(threadIdx.x);
        Units last = byCount ? shared.keys[topK - found.idsBefore - 1] | UINT_MAX : ULLONG_MAX; // everything equal to the edge stays
        const auto unitsAtPlace = [&](int i) { return i < listed && own[i] <= last ? unitsOf(weights.of(valueOf(own[i]))) : 0; };
        Units mass = 0, sum = 0;
#pragma unroll 1
        for (int i = 0; i < kEach; ++i)
            mass += unitsAtPlace(i);
        Units before = found.massBefore + scan(shared, mass, sum);
        if (!byCount) {
            if (static_cast<double>(before) < reached && reached <= static_cast<double>(before + mass)) {
                int i = 0;
                while (i < kEach - 1 && reached > static_cast<double>(before += unitsAtPlace(i)))
                    ++i;
                shared.foundKey = own[i];
            }
            __syncthreads();
            last = shared.foundKey;
        }
        edge.key = last;
        edge.mass = found.massBefore + sum;
    }
    if (const auto rank = static_cast<int>(threadIdx.x); rank < ranksInCluster()) {
        writeIn(shared.edge.key, rank, edge.key);
        writeIn(shared.edge.mass, rank, edge.mass);
        writeIn(shared.edge.isKnown, rank, edge.isKnown);
    }
}

// The id of a warp's part of the row in whose weights the draw falls.
__device__ void draw(const ChooseArgs &args, Choice &choice, const Stretch &stretch, int first, int end,
    const Weights &weights, Units before, double target)
{
    const int lane = static_cast<int>(threadIdx.x % 32);
    // Which lane's share of the ids, then which id.
    int each = (end - first + 31) / 32;
    const int from = first + lane * each, to = min(end, from + each);
    Units own = 0;
#pragma unroll 1
    for (int id = from; id < to; ++id)
        own += weights.kept(id, stretch.logits[id - stretch.first]);
    Units upTo = before + scanOfWarp(own);
    const unsigned over = __ballot_sync(kAllLanes, static_cast<double>(upTo) > target);
    const int chosen = __ffs(static_cast<int>(over)) - 1;
    before = __shfl_sync(kAllLanes, upTo - own, chosen);
    first += chosen * each;
    end = min(end, first + each);
    for (; first < end; first += 32) {
        const int id = first + lane;
        const float logit = id < end ? stretch.logits[id - stretch.first] : -INFINITY;
        upTo = before + scanOfWarp(weights.kept(id, logit));
        const unsigned lanes = __ballot_sync(kAllLanes, static_cast<double>(upTo) > target);
        if (lanes != 0) {
            if (lane == __ffs(static_cast<int>(lanes)) - 1)
                finishRow(args, blockIdx.y, choice, id, logit);
            return;
        }
        before = __shfl_sync(kAllLanes, upTo, 31);
    }
}

__global__ void __launch_bounds__(kThreads) clusterKernel(const __grid_constant__ ChooseArgs args, const Division division)
{
    extern __shared__ __align__(16) unsigned char memory[];
    Shared &shared = *reinterpret_cast<Shared *>(memory);
    auto *const copy = reinterpret_cast<float *>(memory + sizeof(Shared));
    begin();
    const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
    const int rank = rankInCluster(), ranks = ranksInCluster();
    const ChooseRule rule = args.rules[blockIdx.y];
    const Wanted wanted(rule, args.count);
    Choice &choice = args.choices[blockIdx.y];
    const int firstId = min(args.count, rank * division.idsOfBlock);
    const float *const row = args.logits + blockIdx.y * args.stride + firstId;
    const Stretch stretch{division.fits ? copy : row, firstId, min(args.count, firstId + division.idsOfBlock)};
    letNextStart();
    if (wanted.buckets()) {
#pragma unroll 1
        for (int bucket = thread; bucket < kBuckets; bucket += kThreads)
            shared.low[bucket] = shared.high[bucket] = shared.counts[bucket] = 0;
        if (thread < 2)
            shared.listedCounts[thread] = 0;
        if (thread == 0)
            shared.low[kPlainSum] = shared.high[kPlainSum] = 0;
    }
    waitForPrevious();

    // The best.
    const int ownIds = stretch.end - stretch.first;
    float bestLogit = -INFINITY;
    int bestId = 0;
    bool broken = false;
#pragma unroll 1
    for (int first = thread; first < ownIds; first += kAtOnce * kThreads) {
        const int left = ownIds - first;
        float values[kAtOnce];
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
            values[i] = i * kThreads < left ? row[first + i * kThreads] : -INFINITY;
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
            broken = broken || !(values[i] < INFINITY);
            if (values[i] > bestLogit) {
                bestLogit = values[i];
                bestId = firstId + first + i * kThreads;
            }
            if (division.fits && i * kThreads < left)
                copy[first + i * kThreads] = values[i];
        }
    }
    Units packed = greatest(isFinite(bestLogit) ? bestKey(orderOf(bestLogit), static_cast<unsigned>(bestId)) : 0);
    if (lane == 0)
        shared.partial[warp] = packed;
    const bool isBroken = __syncthreads_or(broken ? 1 : 0) != 0;
    waitForBeginnings();
    if (warp == 0) {
        packed = greatest(lane < kWarps ? shared.partial[lane] : 0);
        if (lane < ranks) {
            writeIn(shared.ranks[rank].best, lane, packed);
            writeIn(shared.ranks[rank].broken, lane, isBroken ? 1 : 0);
        }
    }
    meet();
    packed = greatest(lane < ranks ? shared.ranks[lane].best : 0);
    const bool isRowBroken = __any_sync(kAllLanes, lane < ranks && shared.ranks[lane].broken != 0) != 0;
    const float best = floatOf(static_cast<unsigned>(packed >> 32));
    const auto leaveRow = [&](ChoiceState state) { // without a token
        if (rank == 0 && thread == 0) {
            choice.id = -1;
            choice.state = state;
        }
    };
    if (isRowBroken || packed == 0)
        return leaveRow(isRowBroken ? ChoiceState::NotANumber : ChoiceState::None);
    if (rank == 0 && thread == 0)
        choice.best = best;
    Weights weights(best, rule);

    if (wanted.buckets()) {
        weigh(shared, stretch, weights, wanted);
        meet();
        // Each block adds up its share of the buckets: a thread a bucket of two or more ranks, then a thread a bucket.
        const int share = 1 << division.bucketBits, bucket = rank * share + (thread & (share - 1));
        Units mass = 0;
        unsigned ids = 0;
#pragma unroll 2
        for (int from = thread >> division.bucketBits; from < ranks; from += kThreads >> division.bucketBits) {
            mass += unitsIn(shared, from, bucket);
            ids += readIn(shared.counts[bucket], from);
        }
        auto *const idsOf = reinterpret_cast<unsigned *>(shared.keys + kThreads);
        shared.keys[thread] = mass;
        idsOf[thread] = ids;
        __syncthreads();
        mass = 0;
        ids = 0;
        if (thread < share)
#pragma unroll 1
            for (int i = thread; i < kThreads; i += share) {
                mass += shared.keys[i];
                ids += idsOf[i];
            }
        Units massOfShare = 0, idsOfShare = 0;
        Units massBefore = scan(shared, mass, massOfShare);
        auto idsBefore = static_cast<unsigned>(scan(shared, ids, idsOfShare));
        if (thread < ranks) {
            writeIn(shared.ranks[rank].mass, thread, massOfShare);
            writeIn(shared.ranks[rank].ids, thread, static_cast<unsigned>(idsOfShare));
        }
        meet();
        Units total = 0, finite = 0;
        massBefore += scanOfRanks(lane < ranks ? shared.ranks[lane].mass : 0, rank, total);
        idsBefore += static_cast<unsigned>(scanOfRanks(lane < ranks ? shared.ranks[lane].ids : 0, rank, finite));
        const auto holdsCount = [&](unsigned count) { return idsBefore < count && count <= idsBefore + ids; };
        const auto holdsMass = [&](double reached) {
            return static_cast<double>(massBefore) < reached && reached <= static_cast<double>(massBefore + mass);
        };
        const bool cutsCount = wanted.cutsCount && static_cast<Units>(rule.topK) < finite;
        Units edgeKey = ULLONG_MAX;
        // One cut after the other, the likely ids beside the first.
        for (int round = 0; round < 2; ++round) {
            const bool byCount = round == 0 && cutsCount, cuts = byCount || (round == 1 && wanted.cutsMass);
            const bool wantsLikely = round == (cutsCount || !wanted.cutsMass ? 0 : 1) && wanted.alternatives > 0;
            if (!cuts && !wantsLikely)
                continue;
            const double reached = static_cast<double>(rule.topP) * static_cast<double>(total);
            const Found own{bucket, ids, idsBefore, massBefore};
            if (wantsLikely && holdsCount(static_cast<unsigned>(min(finite, static_cast<Units>(wanted.alternatives)))))
                tellFound(shared, Likely, own);
            if (cuts && (byCount ? holdsCount(static_cast<unsigned>(rule.topK)) : holdsMass(reached)))
                tellFound(shared, Kept, own);
            meet();
            if (wantsLikely && shared.found[Likely].idsBefore + shared.found[Likely].ids > kListed)
                return leaveRow(ChoiceState::Undecided);
            const BucketRange likely(0, wantsLikely ? shared.found[Likely].bucket : -1);
            const BucketRange kept(cuts ? shared.found[Kept].bucket : 0, cuts ? shared.found[Kept].bucket : -1);
            stretch.forEach([&](int id, float value) {
                const bool isLikely = likely.holds(best, value), isKept = kept.holds(best, value);
                if (!isFinite(value) || !(isLikely || isKept))
                    return;
                const Units key = likelyKey(value, static_cast<unsigned>(id));
                if (isLikely)
                    shared.listed[Likely][atomicAdd(shared.listedCounts + Likely, 1U)] = key;
                if (!isKept || key > edgeKey)
                    return;
                if (const unsigned slot = atomicAdd(shared.listedCounts + Kept, 1U); slot < kListed)
                    shared.listed[Kept][slot] = key;
            });
            meet();
            if (rank == 0 && cuts)
                tellEdge(shared, weights, byCount, static_cast<unsigned>(rule.topK), reached);
            if (rank == 1 && wantsLikely)
                writeLikely(shared, choice, wanted.alternatives);
            meet();
            if (!cuts)
                continue;
            if (shared.edge.isKnown == 0)
                return leaveRow(ChoiceState::Undecided);
            edgeKey = shared.edge.key;
            total = shared.edge.mass;
            weights.edge = valueOf(edgeKey);
            weights.edgeId = static_cast<int>(min(static_cast<unsigned>(edgeKey & UINT_MAX), static_cast<unsigned>(INT_MAX)));
            if (thread == 0)
                shared.listedCounts[Kept] = 0;
        }
    }
    if (wanted.isGreedy) {
        if (rank == 0 && thread == 0)
            finishRow(args, blockIdx.y, choice, static_cast<std::int32_t>(UINT_MAX - static_cast<unsigned>(packed & UINT_MAX)), best);
        return;
    }

    // The draw: which block's stretch, which warp's part of it, which id.
    const int first = min(stretch.end, stretch.first + warp * division.idsOfWarp), end = min(stretch.end, first + division.idsOfWarp);
    Units own = 0;
#pragma unroll 1
    for (int id = first + lane; id < end; id += 32)
        own += weights.kept(id, stretch.logits[id - firstId]);
    own = sumOfWarp(own);
    __syncthreads(); // the last use of `partial` is over
    if (lane == 0)
        shared.partial[warp] = own;
    __syncthreads();
    const Units upTo = scanOfWarp(lane < kWarps ? shared.partial[lane] : 0);
    const Units ofBlock = __shfl_sync(kAllLanes, upTo, 31);
    if (thread < ranks)
        writeIn(shared.ranks[rank].kept, thread, ofBlock);
    meet();
    Units total = 0;
    const Units before = scanOfRanks(lane < ranks ? shared.ranks[lane].kept : 0, rank, total);
    const double most = __longlong_as_double(__double_as_longlong(static_cast<double>(total)) - 1); // just less than all
    const double target = fmin(rule.share * static_cast<double>(total), most);
    if (static_cast<double>(before) > target || static_cast<double>(before + ofBlock) <= target)
        return;
    const unsigned over = __ballot_sync(kAllLanes, static_cast<double>(before + upTo) > target);
    if (warp != __ffs(static_cast<int>(over)) - 1)
        return;
    draw(args, choice, stretch, first, end, weights, before + __shfl_sync(kAllLanes, upTo, warp) - own, target);
}

Division divisionOf(int count, int ranks)
{
    const auto shared = [](int ids, int among) { return (ids + among * 32 - 1) / (among * 32) * 32; };
    const int ids = shared(count, ranks);
    return {ids, shared(ids, kWarps), std::countr_zero(static_cast<unsigned>(kBuckets / ranks)),
        sizeof(Shared) + static_cast<std::size_t>(ids) * sizeof(float) <= static_cast<std::size_t>(card().sharedBytes)};
}

struct Launch {
    cudaLaunchConfig_t config{};
    cudaLaunchAttribute attributes[2]{};
    Launch(int ranks, int rows, std::size_t sharedBytes, cudaStream_t stream)
    {
        config.gridDim = dim3(static_cast<unsigned>(ranks), static_cast<unsigned>(rows));
        config.blockDim = dim3(kThreads);
        config.dynamicSmemBytes = sharedBytes;
        config.stream = stream;
        attributes[0].id = cudaLaunchAttributeClusterDimension;
        attributes[0].val.clusterDim.x = static_cast<unsigned>(ranks);
        attributes[0].val.clusterDim.y = 1;
        attributes[0].val.clusterDim.z = 1;
        attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attributes[1].val.programmaticStreamSerializationAllowed = 1;
        config.attrs = attributes;
        config.numAttrs = 2;
    }
    Launch(const Launch &) = delete;
    Launch &operator=(const Launch &) = delete;
};

} // namespace

int mostChooseRanks()
{
    const int most = card().sharedBytes;
    if (cudaFuncSetAttribute(clusterKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most) == cudaSuccess
        && cudaFuncSetAttribute(clusterKernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1) == cudaSuccess) {
        for (int ranks = kMostRanks; ranks >= 2; ranks /= 2) {
            Launch launch(ranks, 1, static_cast<std::size_t>(most), nullptr);
            int clusters = 0;
            if (cudaOccupancyMaxActiveClusters(&clusters, clusterKernel, &launch.config) == cudaSuccess && clusters > 0)
                return ranks;
        }
    }
    cudaGetLastError(); // the other kernels do
    return 0;
}

cudaError_t chooseInClusters(const ChooseArgs &args, cudaStream_t stream)
{
    const Division division = divisionOf(args.count, args.ranks);
    const std::size_t bytes = sizeof(Shared) + (division.fits ? static_cast<std::size_t>(division.idsOfBlock) * sizeof(float) : 0);
    Launch launch(args.ranks, args.rows, bytes, stream);
    return cudaLaunchKernelEx(&launch.config, clusterKernel, args, division);
}

} // namespace kernels::cuda
