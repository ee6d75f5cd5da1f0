// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include "decode/decode_client.h"
#include "interrupt.h"
#include "output.h"

#include <chrono>
#include <cstdio>
#include <thread>
#include <unistd.h>

namespace cli {

namespace {

using Clock = std::chrono::steady_clock;

double millisecondsSince(Clock::time_point begin)
{
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// One line on stderr that is rewritten in place, when a person looks at it.
class ProgressLine {
public:
    ProgressLine()
        : m_isShown(isatty(STDERR_FILENO) != 0)
    {}
    ~ProgressLine()
    {
        if (m_isDirty)
            std::fputs("\r\x1b[K", stderr);
    }
    bool isShown() const { return m_isShown; }
    void show(const std::string &name, engine::LoadProgress progress)
    {
        if (!m_isShown || progress.totalBytes == 0)
            return;
        constexpr std::uint64_t kCells = 30;
        const std::uint64_t done = std::min(progress.doneBytes, progress.totalBytes);
        const auto full = static_cast<std::size_t>(done * kCells / progress.totalBytes);
        const std::string bar = std::string(full, '#') + std::string(kCells - full, '.');
        std::fprintf(stderr, "\r%s [%s] %3d %%", name.c_str(), bar.c_str(),
                     static_cast<int>(done * 100 / progress.totalBytes));
        std::fflush(stderr);
        m_isDirty = true;
    }

private:
    bool m_isShown;
    bool m_isDirty = false;
};

} // namespace

void addOffers(engine::Error &error, const std::vector<engine::LoadOffer> &offers)
{
    if (offers.empty())
        return;
    error.message += error.message.ends_with('.') ? "" : ".";
    for (const engine::LoadOffer &offer : offers)
        error.message += " " + engine::sentenceOf(offer);
}

Session::Session()
    : m_runtime(engine::Runtime::create())
{}

engine::Result<engine::ModelId> Session::load(const engine::LoadOptions &options)
{
    const auto begin = Clock::now();
    const auto load = m_runtime->load(options, ring);
    ProgressLine line;
    bool isCancelled = false;
    for (;;) {
        if (auto result = load->takeResult()) {
            m_loadMs += millisecondsSince(begin);
            if (result->ok())
                return *std::move(result);
            engine::Error error = std::move(*result).error();
            addOffers(error, m_runtime->offers(options, error.code));
            return error;
        }
        if (isInterrupted() && !isCancelled) {
            load->cancel();
            isCancelled = true;
        }
        if (line.isShown()) { // progress makes no ring
            line.show(options.name.empty() ? options.path : options.name, load->progress());
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
        } else {
            waitForRing();
        }
    }
}

std::uint64_t Session::deviceBytes() const
{
    std::uint64_t bytes = 0;
    for (const engine::LoadedModel &model : m_runtime->models())
        bytes += model.memory.weightBytes + model.memory.kvBytes;
    return bytes;
}

std::string Session::nameOf(engine::ModelId id) const
{
    for (const engine::LoadedModel &model : m_runtime->models()) {
        if (model.id == id)
            return model.info.name;
    }
    return {};
}

int Session::vocabularyOf(engine::ModelId id) const
{
    for (const engine::LoadedModel &model : m_runtime->models()) {
        if (model.id == id)
            return model.info.vocabularySize;
    }
    return 0;
}

int Session::contextOf(engine::ModelId id) const
{
    for (const engine::LoadedModel &model : m_runtime->models()) {
        if (model.id == id)
            return model.contextTokens;
    }
    return 0;
}

std::vector<Answer> Session::ask(std::vector<engine::GenerationRequest> requests,
                                 const TextSink &show)
{
    std::vector<std::unique_ptr<engine::Generation>> running;
    for (engine::GenerationRequest &request : requests)
        running.push_back(m_runtime->start(std::move(request), ring));
    std::vector<Answer> answers(running.size());
    std::size_t ended = 0;
    bool isCancelled = false;
    while (ended < running.size()) {
        bool any = false;
        for (std::size_t i = 0; i < running.size(); ++i) {
            for (engine::GenerationEvent &event : running[i]->takeEvents()) {
                any = true;
                if (const auto *text = std::get_if<engine::TextAdded>(&event)) {
                    (text->thinking ? answers[i].thinking : answers[i].text) += text->text;
                    if (i == 0 && show)
                        show(text->text, text->thinking);
                } else if (auto *end = std::get_if<engine::Finished>(&event)) {
                    answers[i].end = std::move(*end);
                    ++ended;
                }
            }
        }
        if (isInterrupted() && !isCancelled) {
            isCancelled = true;
            for (const auto &generation : running)
                generation->cancel();
        } else if (!any && ended < running.size()) {
            waitForRing();
        }
    }
    return answers;
}

engine::Status statusOf(const Answer &answer)
{
    if (answer.end.error)
        return *answer.end.error;
    if (answer.end.reason == engine::FinishReason::Cancelled)
        return engine::Error{engine::ErrorCode::Cancelled, "stopped"};
    return engine::Done{};
}

engine::Result<std::vector<std::shared_ptr<const engine::Image>>>
readPictures(const std::vector<std::string> &files)
{
    std::vector<std::shared_ptr<const engine::Image>> pictures;
    for (const std::string &file : files) {
        auto picture = decode::decodePicture(std::filesystem::path(file));
        if (!picture) {
            engine::Error error = std::move(picture).error();
            error.message = file + ": " + error.message;
            return error;
        }
        pictures.push_back(*std::move(picture));
    }
    return pictures;
}

} // namespace cli
