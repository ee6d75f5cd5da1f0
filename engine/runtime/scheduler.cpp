// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/scheduler.h"

#include "base/assert.h"
#include "files/card_need.h"
#include "runtime/batch_builder.h"

#include <algorithm>
#include <new>
#include <string>

namespace engine {

namespace {

constexpr int kMostAdmitted = 64;
constexpr std::size_t kEmbeddingBytes = std::size_t{256} << 20U;

// On a card as many pictures as its plan counts.
std::size_t embeddingBytesOf(const LoadedParts &parts)
{
    const std::uint64_t picture = parts.backend->hostMemory() ? 0 : parts.info.onCard.pictureBytes;
    return picture > 0 ? std::min<std::uint64_t>(kEmbeddingBytes, kKeptPictures * picture) : kEmbeddingBytes;
}

bool sameExperts(const ExpertOptions &a, const ExpertOptions &b)
{
    return a.maxExperts == b.maxExperts && a.automatic == b.automatic &&
           a.stopExpertIds == b.stopExpertIds;
}

} // namespace

Scheduler::Scheduler(LoadedParts &parts)
    : m_parts(parts)
    , m_blocks(parts.plan.blocks)
    , m_embeddings(embeddingBytesOf(parts))
    , m_stopIds(parts.bundle.text->config().stopIds)
    , m_chunkTokens(promptRowsOf(parts))
{
    publishMemory();
    if (!parts.tokenizer)
        return;
    if (parts.tokenizer->eosId() >= 0)
        m_stopIds.push_back(parts.tokenizer->eosId());
    if (!parts.chatFormat)
        return;
    for (std::string &text : parts.chatFormat->stopTexts()) {
        if (const auto id = parts.tokenizer->id(text))
            m_stopIds.push_back(*id);
        else
            m_stopTexts.push_back(std::move(text));
    }
}

void Scheduler::publishMemory()
{
    constexpr double kEveryMs = 1000;
    const auto now = Clock::now();
    if (m_parts.backend->hostMemory() || (m_cardTotal > 0 && millisecondsBetween(m_cardAsked, now) < kEveryMs))
        return;
    m_cardAsked = now;
    const DeviceMemory memory = m_parts.backend->memory();
    m_cardFree = memory.free;
    m_cardTotal = memory.total;
}

// Ids that may be chosen: rows of the output beyond the tokenizer are padding.
int Scheduler::tokenCount() const
{
    const int vocabulary = m_parts.bundle.text->config().vocabulary;
    return m_parts.tokenizer ? std::min(m_parts.tokenizer->size(), vocabulary) : vocabulary;
}

bool Scheduler::isStop(std::int32_t id) const
{
    return std::ranges::find(m_stopIds, id) != m_stopIds.end();
}

void Scheduler::add(std::unique_ptr<Sequence> sequence)
{
    sequence->order = ++m_arrivals;
    sequence->pipe->push(PhaseChanged{Phase::Queued, 0, 0});
    m_sequences.push_back(std::move(sequence));
}

bool Scheduler::hasWork() const
{
    return std::ranges::any_of(m_sequences, [](const auto &sequence) {
        return sequence->pipe->isFinished() || sequence->pipe->hasRoom();
    });
}

void Scheduler::step()
{
    ++m_step;
    dropEnded();
    m_current.clear();
    // Memory may run out in the C++ library too; that ends the answers at work and nothing else.
    try {
        if (!prepareOne()) {
            admit();
            runBatch();
        }
    } catch (const std::bad_alloc &) {
        failCurrent({ErrorCode::OutOfMemory, "the machine has no memory left for this answer; "
                                             "close other programs or models and ask again"});
    } catch (const std::exception &failure) {
        failCurrent({ErrorCode::Internal,
                     std::string("the engine met an error of its own: ") + failure.what()});
    }
    dropEnded();
    publishMemory();
    m_usedBlocks.store(m_blocks.usedCount(), std::memory_order_relaxed);
}

void Scheduler::failCurrent(const Error &error)
{
    if (m_current.empty() && !m_sequences.empty())
        m_current.push_back(m_sequences.back().get());
    for (Sequence *sequence : m_current)
        end(*sequence, FinishReason::Failed, error);
}

void Scheduler::dropEnded()
{
    std::erase_if(m_sequences, [](const auto &sequence) { return sequence->pipe->isFinished(); });
}

// Encoding a long prompt takes a while, so it is a turn of its own.
bool Scheduler::prepareOne()
{
    const auto next = std::ranges::find_if(
        m_sequences, [](const auto &sequence) { return !sequence->isPrepared; });
    if (next == m_sequences.end())
        return false;
    m_current = {next->get()};
    prepare(**next);
    return true;
}

void Scheduler::prepare(Sequence &sequence)
{
    sequence.isPrepared = true;
    auto prompt = buildPrompt(sequence.request, m_parts);
    if (!prompt) {
        end(sequence, FinishReason::Failed, std::move(prompt).error());
        return;
    }
    sequence.ids = std::move(prompt->ids);
    sequence.keys = std::move(prompt->keys);
    sequence.textKey = prompt->textKey;
    sequence.pictures = std::move(prompt->pictures);
    sequence.embeddings.resize(sequence.pictures.size());
    sequence.promptTokens = sequence.length();
    sequence.usage.promptTokens = sequence.promptTokens;
    for (const PromptPicture &picture : sequence.pictures)
        sequence.usage.imageTokens += picture.tokens.plan.tokenCount;
    auto sampler = Sampler::create(sequence.request.sampling, tokenCount(), sequence.ids);
    if (!sampler) {
        end(sequence, FinishReason::Failed, std::move(sampler).error());
        return;
    }
    sequence.sampler.emplace(std::move(sampler).value());
    std::vector<std::string> stops = sequence.request.sampling.stops;
    stops.insert(stops.end(), m_stopTexts.begin(), m_stopTexts.end());
    std::erase(stops, std::string());
    sequence.text.emplace(m_parts.tokenizer, m_parts.chatFormat.get(), stops,
                          prompt->startsThinking);
    closeSpentThinking(sequence);
    sequence.pipe->setPrompt(sequence.ids);
    sequence.request.turns.clear(); // the pictures live on in `pictures`
    publishUsage(sequence);
}

void Scheduler::admit()
{
    auto admitted = std::ranges::count_if(
        m_sequences, [](const auto &sequence) { return sequence->isAdmitted(); });
    for (const auto &sequence : m_sequences) { // oldest first
        if (sequence->isAdmitted() || !sequence->isPrepared || sequence->pipe->isFinished() ||
            !sequence->pipe->hasRoom())
            continue;
        if (admitted >= kMostAdmitted)
            return;
        while (!tryAdmit(*sequence)) {
            // Parked sequences make room at once; running ones when they end.
            const auto parked =
                std::find_if(m_sequences.rbegin(), m_sequences.rend(), [](const auto &other) {
                    return other->isAdmitted() && !other->pipe->hasRoom();
                });
            if (parked == m_sequences.rend()) {
                ENGINE_ASSERT(admitted >
                              0); // a lone sequence always fits: the plan holds a full context
                return;
            }
            preempt(**parked);
            --admitted;
        }
        ++admitted;
    }
}

bool Scheduler::tryAdmit(Sequence &sequence)
{
    sequence.table.emplace(m_blocks);
    const int cached = sequence.table->matchPrefix(cacheKeys(sequence), sequence.length() - 1);
    if (!sequence.table->reserve(sequence.length())) {
        sequence.table.reset();
        return false;
    }
    sequence.computed = cached;
    if (sequence.phase == Phase::Queued) {
        sequence.admitted = Clock::now();
        sequence.usage.cachedTokens = cached;
        sequence.usage.queueMs = millisecondsBetween(sequence.started, sequence.admitted);
        publishUsage(sequence);
    }
    return true;
}

void Scheduler::preempt(Sequence &sequence)
{
    sequence.table.reset();
    sequence.computed = 0;
}

void Scheduler::preemptAll()
{
    for (const auto &sequence : m_sequences)
        preempt(*sequence);
}

// Blocks for all of the sequence's ids, if need be from parked and then from younger ones. False:
// it had to step back.
bool Scheduler::makeRoom(Sequence &sequence)
{
    while (!sequence.table->reserve(sequence.length() + (takesDraft(sequence) ? 1 : 0))) {
        Sequence *victim = nullptr;
        for (const auto &other : m_sequences) {
            if (!other->isAdmitted() || other.get() == &sequence)
                continue;
            const bool parked = !other->pipe->hasRoom();
            const bool victimParked = victim && !victim->pipe->hasRoom();
            if (parked || (!victimParked && other->order > sequence.order))
                victim = other.get(); // the last of the best kind, that is the youngest
        }
        if (!victim) {
            preempt(sequence);
            return false;
        }
        preempt(*victim);
    }
    return true;
}

// Chunk edges lie at multiples of the chunk length from the start of the context, wherever a prefix
// match began.
int Scheduler::chunkEnd(const Sequence &sequence) const
{
    return std::min(sequence.length(), (sequence.computed / m_chunkTokens + 1) * m_chunkTokens);
}

int Scheduler::missingPicture(const Sequence &sequence) const
{
    const int end = chunkEnd(sequence);
    // Text before a picture looks at it, and so does text behind one found in the cache.
    const bool wantsAll = m_parts.bundle.text->hasCrossModal() && !sequence.memory;
    for (std::size_t i = 0; i < sequence.pictures.size(); ++i) {
        const PictureTokens &tokens = sequence.pictures[i].tokens;
        const bool isNext = tokens.firstToken < end &&
                            tokens.firstToken + tokens.plan.tokenCount > sequence.computed;
        if (!sequence.embeddings[i] && (isNext || wantsAll))
            return static_cast<int>(i);
    }
    return -1;
}

void Scheduler::look(Sequence &sequence, int picture)
{
    const auto index = static_cast<std::size_t>(picture);
    const PromptPicture &wanted = sequence.pictures[index];
    if (auto known = m_embeddings.find(wanted.key)) {
        sequence.embeddings[index] = std::move(known);
        return;
    }
    setPhase(sequence, Phase::Looking);
    const auto begin = Clock::now();
    const ImageTiles tiles =
        m_parts.bundle.vision->preprocessor().prepare(*wanted.image, wanted.imageCount);
    auto rows =
        m_parts.bundle.vision->encode(tiles, sequence.pipe->stopToken(), [&](int done, int total) {
            sequence.pipe->push(PhaseChanged{Phase::Looking, done, total});
        });
    sequence.lookedMs += millisecondsBetween(begin, Clock::now());
    sequence.usage.lookMs = sequence.lookedMs;
    if (!rows) {
        end(sequence,
            rows.error().code == ErrorCode::Cancelled ? FinishReason::Cancelled
                                                      : FinishReason::Failed,
            std::move(rows).error());
        return;
    }
    auto embedding = std::make_shared<PictureEmbedding>();
    embedding->rows = std::move(rows).value();
    embedding->tokenCount = wanted.tokens.plan.tokenCount;
    const auto bytes = static_cast<std::size_t>(embedding->tokenCount) *
                       static_cast<std::size_t>(m_parts.bundle.text->config().hidden) *
                       sizeof(float);
    if (embedding->rows.bytes() < bytes) {
        end(sequence, FinishReason::Failed,
            Error{ErrorCode::Internal, "the picture tower returned fewer rows than planned"});
        return;
    }
    if (m_parts.bundle.text->hasCrossModal()) {
        auto memory = m_parts.bundle.text->rememberPicture(embedding->rows.view(
            {embedding->tokenCount, m_parts.bundle.text->config().hidden}));
        if (!memory) {
            end(sequence, FinishReason::Failed, std::move(memory).error());
            return;
        }
        embedding->memory = std::move(memory).value();
    }
    m_embeddings.insert(wanted.key, embedding);
    sequence.embeddings[index] = std::move(embedding);
    publishUsage(sequence);
}

// One list of keys and values for all pictures of a request; a single picture's own is shared.
Status Scheduler::rememberPictures(Sequence &sequence)
{
    if (!m_parts.bundle.text->hasCrossModal() || sequence.memory || sequence.pictures.empty())
        return Done{};
    ENGINE_TRY(sequence.memory, joinedMemory(*m_parts.bundle.text, sequence.embeddings));
    return Done{};
}

// The sequences of the next step: those with one row, and the prompt that has waited longest for
// its turn.
std::vector<Sequence *> Scheduler::chooseRows()
{
    std::vector<Sequence *> ready;
    for (const auto &sequence : m_sequences) {
        if (sequence->isAdmitted() && !sequence->pipe->isFinished() && sequence->pipe->hasRoom())
            ready.push_back(sequence.get());
    }
    if (ready.empty())
        return ready;
    // Expert options hold for a whole batch: the group whose member has waited longest goes.
    const auto longest = std::ranges::min_element(ready, {}, &Sequence::lastStep);
    const ExpertOptions experts = (*longest)->request.experts;
    std::erase_if(ready, [&](const Sequence *sequence) {
        return !sameExperts(sequence->request.experts, experts);
    });

    for (Sequence *sequence : ready) { // oldest first; may take blocks from later ones
        if (sequence->isAdmitted())
            makeRoom(*sequence);
    }
    std::erase_if(ready, [](const Sequence *sequence) { return !sequence->isAdmitted(); });
    // A card may begin the step after this one by itself, if it knows the block that the next token needs. Nobody makes
    // room for that.
    if (!m_parts.backend->hostMemory()) {
        for (Sequence *sequence : ready)
            sequence->table->reserve(std::min(sequence->length() + 1, m_parts.plan.contextTokens));
    }

    Sequence *reading = nullptr;
    for (Sequence *sequence : ready) {
        if (sequence->pending() > 1 && (!reading || sequence->lastStep < reading->lastStep))
            reading = sequence;
    }
    std::erase_if(ready, [&](const Sequence *sequence) {
        return sequence->pending() > 1 && sequence != reading;
    });
    // A card computes a row of a prompt and a row of a running answer in different ways, and steps of answers alone are
    // recorded; so a step has one kind, the one that has waited longest.
    if (reading && ready.size() > 1 && !m_parts.backend->hostMemory()) {
        const bool promptNext = std::ranges::all_of(ready, [&](const Sequence *sequence) {
            return sequence == reading || reading->lastStep < sequence->lastStep;
        });
        std::erase_if(ready, [&](const Sequence *sequence) { return (sequence == reading) != promptNext; });
    }
    return ready;
}

void Scheduler::runBatch()
{
    std::vector<Sequence *> chosen = chooseRows();
    for (Sequence *sequence : chosen) {
        if (const int picture = missingPicture(*sequence); picture >= 0) {
            m_current = {sequence};
            look(*sequence, picture); // a turn of its own: it may take long
            return;
        }
        if (const Status remembered = rememberPictures(*sequence); !remembered) {
            m_current = {sequence};
            failCurrent(remembered.error());
            return;
        }
    }
    if (chosen.empty())
        return;
    m_current = chosen;

    BatchBuilder builder;
    std::vector<StepRows> rows;
    const bool asksForTokens = m_parts.bundle.text->prefersChoosing() &&
                               std::ranges::all_of(chosen, [this](const Sequence *sequence) {
                                   return nextRule(*sequence).has_value();
                               });
    const int hidden = m_parts.bundle.text->config().hidden;
    for (Sequence *sequence : chosen) {
        const int begin = sequence->computed, end = chunkEnd(*sequence);
        if (sequence->phase < Phase::Reading)
            setPhase(*sequence, Phase::Reading);
        const int first = builder.addRows(sequence->ids, begin, end, sequence->table->blocks(),
                                          sequence->memory.get());
        for (std::size_t i = 0; i < sequence->pictures.size(); ++i) {
            const PictureTokens &tokens = sequence->pictures[i].tokens;
            if (sequence->embeddings[i])
                builder.addSplice(first, begin, end, tokens.firstToken, tokens.plan.tokenCount,
                                  sequence->embeddings[i]->rows, hidden);
        }
        StepRows own{.sequence = sequence, .begin = begin, .end = end, .firstRow = first};
        own.isWhole = end == sequence->length();
        if (own.isWhole) {
            own.hasDraft = takesDraft(*sequence);
            if (own.hasDraft)
                builder.addRow(sequence->draft->id);
            const int lastRow = first + end - begin - 1;
            const ObserveOptions &asked = sequence->request.observe;
            for (int row = lastRow; row <= lastRow + (own.hasDraft ? 1 : 0); ++row) {
                if (asksForTokens)
                    builder.wantToken(row, *nextRule(*sequence), tokenCount());
                else
                    builder.wantLogits(row);
                builder.observe(row, asked.routing,
                                asked.attention && !sequence->pictures.empty());
            }
        }
        rows.push_back(own);
        sequence->lastStep = m_step;
    }

    const ExpertOptions experts = chosen.front()->request.experts;
    const Status status = builder.run(m_parts, experts, m_logits);
    if (!status) {
        // Too many for the device: the youngest makes room, the others try the same step again.
        if (status.error().code == ErrorCode::OutOfMemory)
            chosen = {*std::ranges::max_element(chosen, {}, &Sequence::order)};
        for (Sequence *sequence : chosen)
            end(*sequence, FinishReason::Failed, status.error());
        return;
    }
    const bool drafts = m_parts.bundle.text->canDraft();
    const auto vocabulary = static_cast<std::size_t>(m_parts.bundle.text->config().vocabulary);
    std::size_t logitRow = 0;
    for (StepRows &own : rows) {
        Sequence *sequence = own.sequence;
        sequence->computed = own.end;
        if (!drafts)
            sequence->table->written(
                std::span(sequence->keys).first(static_cast<std::size_t>(own.end)));
        if (sequence->phase == Phase::Reading)
            sequence->pipe->push(PhaseChanged{Phase::Reading,
                                              std::min(own.end, sequence->promptTokens),
                                              sequence->promptTokens});
        if (!own.isWhole)
            continue;
        const int lastRow = own.firstRow + own.end - own.begin - 1;
        if (asksForTokens) {
            const RowChoice &row = builder.choices()[logitRow++];
            const bool isDecided = row.choice.state != kernels::ChoiceState::Undecided;
            takeToken(*sequence, {.logits = row.logits, .choice = isDecided ? &row.choice : nullptr},
                      builder.observation(lastRow));
            continue;
        }
        const std::span<const float> logits =
            std::span<const float>(m_logits).subspan(logitRow * vocabulary);
        logitRow += own.hasDraft ? 2 : 1;
        if (!own.hasDraft)
            sequence->draft.reset();
        if (takeToken(*sequence, {.logits = logits.first(vocabulary)}, builder.observation(lastRow)) &&
            sequence->isAdmitted()) {
            // The row of the guess is one of the answer's: it gives a second token.
            sequence->computed = ++own.end;
            takeToken(*sequence, {.logits = logits.subspan(vocabulary, vocabulary)},
                      builder.observation(lastRow + 1));
        }
    }
    if (drafts)
        guessNext(rows, experts);
}

// How the device may choose the sequence's next token; none: its logits are needed here.
std::optional<kernels::ChooseRule> Scheduler::nextRule(const Sequence &sequence) const
{
    if (!sequence.forced.empty() || m_parts.bundle.text->canDraft())
        return std::nullopt;
    return sequence.sampler->rule(sequence.generated, sequence.request.observe.alternatives);
}

// Whether the guess for the next token takes part in its step.
bool Scheduler::takesDraft(const Sequence &sequence) const
{
    return sequence.draft && sequence.forced.empty() &&
           sequence.generated + 1 < sequence.request.sampling.maxTokens &&
           sequence.length() + 1 < m_parts.plan.contextTokens;
}

// The model's own guesses for the token after the one just taken. All rows of the step go through,
// so that the cache of the guessing layer keeps up with the rest.
void Scheduler::guessNext(std::vector<StepRows> &rows, const ExpertOptions &experts)
{
    std::erase_if(rows, [](const StepRows &own) { return !own.sequence->isAdmitted(); });
    if (rows.empty())
        return;
    BatchBuilder builder;
    for (const StepRows &own : rows) {
        const auto next = std::span<const std::int32_t>(own.sequence->ids).subspan(1);
        const int count = own.end - own.begin;
        const int first =
            builder.addRows(next, own.begin, own.end, own.sequence->table->blocks());
        builder.readHidden(own.firstRow, count);
        if (own.isWhole)
            builder.wantLogits(first + count - 1);
    }
    const Status status = builder.runDraft(m_parts, experts, m_logits);
    const auto vocabulary = static_cast<std::size_t>(m_parts.bundle.text->config().vocabulary);
    std::size_t logitRow = 0;
    for (const StepRows &own : rows) {
        Sequence &sequence = *own.sequence;
        if (!status) {
            end(sequence, FinishReason::Failed, status.error());
            continue;
        }
        sequence.table->written(
            cacheKeys(sequence).first(static_cast<std::size_t>(sequence.computed)));
        if (!own.isWhole)
            continue;
        auto draft = sequence.sampler->draft(
            std::span<const float>(m_logits).subspan(logitRow++ * vocabulary, vocabulary),
            sequence.generated);
        if (!draft)
            end(sequence, FinishReason::Failed, std::move(draft).error());
        else
            sequence.draft = std::move(draft).value();
    }
}

// What identifies the cache rows of a sequence. A row of the guessing layer depends on the next
// token too, so there a position counts together with the one after it; the last has none yet.
std::span<const TokenKey> Scheduler::cacheKeys(Sequence &sequence) const
{
    if (!m_parts.bundle.text->canDraft())
        return sequence.keys;
    for (std::size_t i = sequence.pairKeys.size(); i + 1 < sequence.keys.size(); ++i) {
        const TokenKey &key = sequence.keys[i], &next = sequence.keys[i + 1];
        ENGINE_ASSERT(key.high == next.high && key.high >> 63U == 0); // no pictures
        sequence.pairKeys.push_back({key.low | (next.low << 32U), key.high});
    }
    return sequence.pairKeys;
}

bool Scheduler::takeToken(Sequence &sequence, const StepResult &result,
                          const RowObservation *observation)
{
    const SamplingOptions &sampling = sequence.request.sampling;
    std::int32_t id = 0;
    bool isGuessed = false;
    if (!sequence.forced.empty()) {
        id = sequence.forced.front();
        sequence.forced.pop_front();
    } else if (sequence.draft) {
        auto verdict = sequence.sampler->verify(result.logits, sequence.generated, *sequence.draft);
        if (!verdict) {
            end(sequence, FinishReason::Failed, std::move(verdict).error());
            return false;
        }
        id = verdict->id;
        isGuessed = verdict->isAccepted;
        sequence.draft.reset();
        ++sequence.usage.draftedTokens;
        sequence.usage.acceptedTokens += isGuessed ? 1 : 0;
    } else {
        auto choice = result.choice ? Sampler::chosen(*result.choice, sequence.generated)
                                    : sequence.sampler->sample(result.logits, sequence.generated);
        if (!choice) {
            end(sequence, FinishReason::Failed, std::move(choice).error());
            return false;
        }
        id = *choice;
    }
    const auto now = Clock::now();
    if (sequence.generated == 0) {
        sequence.firstToken = now;
        sequence.usage.firstTokenMs = millisecondsBetween(sequence.started, now);
        sequence.usage.readMs = millisecondsBetween(sequence.admitted, now) - sequence.lookedMs;
        const int read = sequence.promptTokens - sequence.usage.cachedTokens;
        sequence.usage.promptTokensPerSecond =
            sequence.usage.readMs > 0 ? read * 1000.0 / sequence.usage.readMs : 0;
        sequence.embeddings.assign(sequence.embeddings.size(),
                                   nullptr); // read into the cache; found again after a preemption
    } else {
        sequence.usage.generateMs = millisecondsBetween(sequence.firstToken, now);
        sequence.usage.generateTokensPerSecond =
            sequence.usage.generateMs > 0 ? sequence.generated * 1000.0 / sequence.usage.generateMs
                                          : 0;
    }
    sequence.ids.push_back(id);
    sequence.keys.push_back({static_cast<std::uint64_t>(id), sequence.textKey});
    sequence.sampler->accept(id);
    sequence.pipe->addGenerated(id);
    const bool thinking = sequence.text->isThinking();
    if (isStop(id)) {
        end(sequence, FinishReason::EndOfTurn);
        return isGuessed;
    }
    setPhase(sequence, thinking ? Phase::Thinking : Phase::Answering);
    if (sequence.request.observe.alternatives > 0)
        recordToken(sequence, result, id, thinking);
    if (observation)
        observe(sequence, *observation);
    ++sequence.generated;
    ++(thinking ? sequence.usage.thinkingTokens : sequence.usage.answerTokens);
    AnswerText::Step step = sequence.text->push(id);
    for (TextAdded &piece : step.pieces) {
        setPhase(sequence, piece.thinking ? Phase::Thinking : Phase::Answering);
        sequence.pipe->push(std::move(piece));
    }
    if (step.stopped) {
        end(sequence, FinishReason::StopText);
    } else if (sequence.generated >= sampling.maxTokens) {
        end(sequence, FinishReason::Length);
    } else if (sequence.length() >= m_parts.plan.contextTokens) {
        end(sequence, FinishReason::ContextFull,
            Error{ErrorCode::ContextFull, "the context of " +
                                              std::to_string(m_parts.plan.contextTokens) +
                                              " tokens is full; start a new conversation or load "
                                              "the model with a longer context"});
    } else {
        closeSpentThinking(sequence);
        publishUsage(sequence);
    }
    return isGuessed;
}

// A spent budget ends the thinking with the format's own words, put instead of sampled.
void Scheduler::closeSpentThinking(Sequence &sequence)
{
    const ThinkOptions &think = sequence.request.think;
    if (think.mode != ThinkMode::Budget || sequence.budgetSpent || !sequence.text->isThinking() ||
        sequence.usage.thinkingTokens < think.budgetTokens)
        return;
    sequence.budgetSpent = true;
    const std::string close = "\n" + std::string(m_parts.chatFormat->thinkClose()) + "\n\n";
    for (const std::int32_t forced : m_parts.tokenizer->encodeWithSpecials(close))
        sequence.forced.push_back(forced);
}

void Scheduler::recordToken(Sequence &sequence, const StepResult &result, std::int32_t id,
                            bool thinking)
{
    const auto text = [this](std::int32_t token) {
        return m_parts.tokenizer ? m_parts.tokenizer->decode({token}, false) : std::string();
    };
    const int alternatives = sequence.request.observe.alternatives;
    const TokenProbabilities probabilities =
        result.choice ? tokenProbabilities(*result.choice, alternatives)
                      : tokenProbabilities(result.logits, tokenCount(), id, alternatives);
    TokenRecord record{.index = sequence.generated,
                       .id = id,
                       .probability = probabilities.chosen,
                       .thinking = thinking,
                       .text = text(id),
                       .alternatives = {}};
    for (const IdProbability &other : probabilities.best)
        record.alternatives.push_back({other.id, other.probability, text(other.id)});
    sequence.pipe->push(std::move(record));
}

void Scheduler::observe(Sequence &sequence, const RowObservation &observation)
{
    if (sequence.request.observe.routing && !observation.routing.layers.empty()) {
        RoutingRecord record = observation.routing;
        record.index = sequence.generated;
        sequence.pipe->push(std::move(record));
    }
    if (!sequence.request.observe.attention || observation.attention.empty())
        return;
    int listed = 0; // picture tokens of the pictures before
    for (std::size_t i = 0; i < sequence.pictures.size(); ++i) {
        PictureTokens tokens = sequence.pictures[i].tokens;
        if (!observation.pictureAttention.empty())
            tokens.firstToken = listed;
        AttentionRecord record = attentionOverPicture(observation.pictureAttention.empty()
                                                          ? observation.attention
                                                          : observation.pictureAttention,
                                                      tokens);
        listed += tokens.plan.tokenCount;
        record.gates = observation.gates;
        record.index = sequence.generated;
        record.image = static_cast<int>(i);
        sequence.pipe->push(std::move(record));
    }
}

void Scheduler::setPhase(Sequence &sequence, Phase phase)
{
    if (sequence.phase == phase)
        return;
    sequence.phase = phase;
    sequence.pipe->push(
        PhaseChanged{phase, 0, phase == Phase::Reading ? sequence.promptTokens : 0});
}

void Scheduler::publishUsage(Sequence &sequence)
{
    sequence.pipe->setUsage(sequence.usage);
}

void Scheduler::end(Sequence &sequence, FinishReason reason, std::optional<Error> error)
{
    if (sequence.text) {
        for (TextAdded &piece : sequence.text->finish())
            sequence.pipe->push(std::move(piece));
    }
    publishUsage(sequence);
    // The blocks first: who reads the end may ask at once how much memory is free.
    sequence.table.reset();
    m_usedBlocks.store(m_blocks.usedCount(), std::memory_order_relaxed);
    sequence.pipe->finish(reason, std::move(error));
}

} // namespace engine
