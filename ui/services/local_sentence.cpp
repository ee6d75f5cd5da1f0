// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/local_sentence.h"

#include <QCoreApplication>
#include <QRegularExpression>
#include <QVector>

#include <array>

namespace ui {

namespace {

// %1, %2, ... stand for whatever is filled in there. The first that matches is taken: special ones come first.
constexpr std::array kSentences = {
    // Pictures
    QT_TRANSLATE_NOOP("sentences", "The picture file is empty."),
    QT_TRANSLATE_NOOP("sentences", "The picture file is larger than %1 MB."),
    QT_TRANSLATE_NOOP("sentences", "The picture has no pixels (%1 x %2 pixels)."),
    QT_TRANSLATE_NOOP("sentences", "The picture is %1 x %2 pixels; a side may have at most %3 pixels."),
    QT_TRANSLATE_NOOP("sentences", "The picture is %1 x %2 pixels; at most 64 million pixels can be read."),
    QT_TRANSLATE_NOOP("sentences", "The picture is %1 x %2 pixels; one side may be at most %3 times the other."),
    QT_TRANSLATE_NOOP("sentences",
        "This file is not a picture, or of an unknown kind; only PNG, JPEG, BMP and WebP pictures can be read."),
    QT_TRANSLATE_NOOP("sentences",
        "This is an XML file (perhaps an SVG drawing); only PNG, JPEG, BMP and WebP pictures can be read."),
    QT_TRANSLATE_NOOP("sentences", "This is a PDF document; only PNG, JPEG, BMP and WebP pictures can be read."),
    QT_TRANSLATE_NOOP("sentences", "This is a video or HEIF file; only PNG, JPEG, BMP and WebP pictures can be read."),
    QT_TRANSLATE_NOOP("sentences", "This is a %1 picture; only PNG, JPEG, BMP and WebP pictures can be read."),
    QT_TRANSLATE_NOOP("sentences", "This is an %1 picture; only PNG, JPEG, BMP and WebP pictures can be read."),
    QT_TRANSLATE_NOOP("sentences", "This is an animated WebP picture; only still pictures can be read."),
    QT_TRANSLATE_NOOP("sentences", "The %1 picture is cut off: the file ends before its last part."),
    QT_TRANSLATE_NOOP("sentences", "The PNG picture is damaged: the checksum of a part does not match its data."),
    QT_TRANSLATE_NOOP("sentences", "The JPEG picture is damaged: there is no marker where one must be."),
    QT_TRANSLATE_NOOP("sentences", "The JPEG file holds no picture data."),
    QT_TRANSLATE_NOOP("sentences", "The BMP picture's header is broken."),
    QT_TRANSLATE_NOOP("sentences", "The %1 picture is damaged (%2)."),
    QT_TRANSLATE_NOOP("sentences", "The picture is damaged: it ended the program that decodes it."),
    QT_TRANSLATE_NOOP("sentences", "The picture is damaged: decoding it ended half-way."),
    QT_TRANSLATE_NOOP("sentences", "The picture is damaged: its size and its data do not agree."),
    QT_TRANSLATE_NOOP("sentences", "The picture needs more memory to decode than a picture may."),
    QT_TRANSLATE_NOOP("sentences", "The picture took longer than %1 s to decode."),
    QT_TRANSLATE_NOOP("sentences", "There is not enough memory to decode the picture."),
    QT_TRANSLATE_NOOP("sentences", "There is not enough memory to read the picture."),
    QT_TRANSLATE_NOOP("sentences", "No more files can be opened, so the picture could not be decoded."),
    QT_TRANSLATE_NOOP("sentences", "The program diptych-decode is missing beside this one; install Diptych again."),
    // Answers
    QT_TRANSLATE_NOOP("sentences",
        "the conversation takes %1 tokens and the context holds %2; start a new conversation, shorten the question or "
        "load the model with a longer context"),
    QT_TRANSLATE_NOOP("sentences",
        "the context of %1 tokens is full; start a new conversation or load the model with a longer context"),
    QT_TRANSLATE_NOOP("sentences",
        "the machine has no memory left for this answer; close other programs or models and ask again"),
    QT_TRANSLATE_NOOP("sentences", "the engine met an error of its own: %1"),
    // Loading
    QT_TRANSLATE_NOOP("sentences",
        "the weights take %1 and %2 are free; close other models or choose a smaller or more quantised one"),
    QT_TRANSLATE_NOOP("sentences",
        "the machine has no memory left for this model; close others or choose a smaller one"),
    QT_TRANSLATE_NOOP("sentences",
        "a context of %1 tokens needs %2 and %3 can be used; close another model or ask for a smaller context"),
    QT_TRANSLATE_NOOP("sentences",
        "The model does not fit on the card: a context of %1 tokens needs %2 and %3 can be used; close another model or ask "
        "for a smaller context"),
    QT_TRANSLATE_NOOP("sentences",
        "The model does not fit on the card: the weights take %1 and every step %2 to work in, and %3 are free on the card"),
    QT_TRANSLATE_NOOP("sentences", "there is not enough memory for another %1 MB"),
    // Cards
    QT_TRANSLATE_NOOP("sentences", "the CUDA plug-in is not installed; models run on the processor"),
    QT_TRANSLATE_NOOP("sentences", "the CUDA plug-in cannot be loaded: %1"),
    QT_TRANSLATE_NOOP("sentences", "the CUDA plug-in is of another build of Diptych; install both from one package"),
    QT_TRANSLATE_NOOP("sentences", "the NVIDIA driver is missing or older than CUDA 13 needs; update it"),
    QT_TRANSLATE_NOOP("sentences", "no NVIDIA card can be used: %1"),
    QT_TRANSLATE_NOOP("sentences", "there is no CUDA device %1; this machine has %2"),
    QT_TRANSLATE_NOOP("sentences", "the card does not answer; another program may hold it exclusively"),
    QT_TRANSLATE_NOOP("sentences", "%1 is of a generation this build has no code for (%2)"),
    QT_TRANSLATE_NOOP("sentences", "the card has no memory left for Diptych's own buffers"),
    QT_TRANSLATE_NOOP("sentences",
        "the card has %1 MiB free and %2 MiB more are needed; use a smaller context, a smaller precision or the processor"),
    QT_TRANSLATE_NOOP("sentences",
        "the card failed (%1); start Diptych again, or load the model on the processor"),
    QT_TRANSLATE_NOOP("sentences",
        "the card has no memory left for this (%1); ask again with a shorter context, or load the model with a smaller one"),
    QT_TRANSLATE_NOOP("sentences", "The model was unloaded before it could answer."),
    QT_TRANSLATE_NOOP("sentences", "The answer was stopped before it began."),
    // Model files
    QT_TRANSLATE_NOOP("sentences", "The file %1 is empty."),
    QT_TRANSLATE_NOOP("sentences", "There is no file %1 there."),
    QT_TRANSLATE_NOOP("sentences", "The file %1 may not be read: check its permissions."),
    QT_TRANSLATE_NOOP("sentences", "The file %1 cannot be opened: %2."),
    QT_TRANSLATE_NOOP("sentences", "The path of %1 is a circle of symbolic links."),
    QT_TRANSLATE_NOOP("sentences", "Too many files are open to open %1."),
    QT_TRANSLATE_NOOP("sentences", "The file %1 was written while it was in use: load the model again."),
    QT_TRANSLATE_NOOP("sentences", "The folder %1 cannot be read: %2."),
    QT_TRANSLATE_NOOP("sentences", "The folder %1 has no tokenizer.json, so no text can be read or written."),
    QT_TRANSLATE_NOOP("sentences",
        "%1 is a Git LFS pointer, not the file itself: fetch the real file (git lfs pull) and try again."),
    QT_TRANSLATE_NOOP("sentences",
        "%1 is a pickled PyTorch file, which can run code and is never loaded: convert it to safetensors."),
    QT_TRANSLATE_NOOP("sentences", "%1 is not a sound GGUF file: %2."),
    QT_TRANSLATE_NOOP("sentences", "%1 is not a sound safetensors file: %2."),
    QT_TRANSLATE_NOOP("sentences", "%1 is a GGUF file of the unknown version %2."),
    QT_TRANSLATE_NOOP("sentences", "%1 cannot be read: it is not valid JSON."),
    QT_TRANSLATE_NOOP("sentences", "%1 cannot be opened: %2."),
    QT_TRANSLATE_NOOP("sentences", "%1 has no tensor %2 (%3 is needed)."),
    QT_TRANSLATE_NOOP("sentences", "%1 holds no tensors."),
    QT_TRANSLATE_NOOP("sentences", "Diptych cannot run this model: its architecture %1 is unknown."),
    QT_TRANSLATE_NOOP("sentences", "Diptych cannot run this model: its rope scaling %1 is unknown."),
    QT_TRANSLATE_NOOP("sentences", "Diptych cannot run this model: %1."),
    QT_TRANSLATE_NOOP("sentences", "There is no memory left to read %1."),
    QT_TRANSLATE_NOOP("sentences", "There is no memory left to open %1."),
};

struct Known {
    const char *english;
    QRegularExpression pattern;
    int places = 0;
};

const QVector<Known> &known()
{
    static const QVector<Known> sentences = [] {
        QVector<Known> made;
        for (const char *english : kSentences) {
            Known one{.english = english, .pattern = {}, .places = 0};
            QString pattern = QRegularExpression::escape(QString::fromUtf8(english));
            for (int place = 1; pattern.contains(QStringLiteral("\\%%1").arg(place)); ++place) {
                pattern.replace(QStringLiteral("\\%%1").arg(place), QStringLiteral("(.+?)"));
                one.places = place;
            }
            one.pattern = QRegularExpression(QRegularExpression::anchoredPattern(pattern),
                QRegularExpression::DotMatchesEverythingOption);
            made += one;
        }
        return made;
    }();
    return sentences;
}

} // namespace

QString localSentence(std::string_view english)
{
    const QString text = QString::fromUtf8(english.data(), qsizetype(english.size()));
    if (text.size() > 4000) // nothing of ours
        return text;
    for (const Known &one : known()) {
        const QRegularExpressionMatch match = one.pattern.match(text);
        if (!match.hasMatch())
            continue;
        QString local = QCoreApplication::translate("sentences", one.english);
        for (int place = one.places; place >= 1; --place) // as they are: QString::arg would read a % in them
            local.replace(QStringLiteral("%%1").arg(place), QStringLiteral("\x01%1\x01").arg(place));
        for (int place = 1; place <= one.places; ++place)
            local.replace(QStringLiteral("\x01%1\x01").arg(place), match.captured(place));
        return local;
    }
    return text;
}

} // namespace ui
