// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/picture_golden.h"
#include "engine/text/small_tokenizer.h"

#include <QTemporaryDir>

// The golden's model in a folder of its own, with a tokenizer.
inline bool writePictureModel(const PictureGolden &golden, const QTemporaryDir &folder)
{
    const auto write = [&](const char *name, const QByteArray &bytes) {
        QFile file(folder.filePath(QString::fromLatin1(name)));
        return file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size();
    };
    for (const char *name : {"config.json", "model.safetensors"})
        if (!QFile::copy(golden.folder + u'/' + QString::fromLatin1(name), folder.filePath(QString::fromLatin1(name))))
            return false;
    // The picture token, 7, is the byte 7 of this tokenizer.
    return golden.cases.size() == 4 && write("tokenizer.json", QByteArray::fromStdString(smallTokenizerJson().dump()))
        && write("processor_config.json", R"({"image_token": "\u0007"})");
}
