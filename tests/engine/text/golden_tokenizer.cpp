// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "golden_tokenizer.h"

#include <QDebug>
#include <QFile>

#include <zlib.h>

#include <map>
#include <string>

namespace {

std::string unpacked(const QString &path)
{
    std::string text;
    gzFile file = gzopen(path.toUtf8().constData(), "rb");
    if (!file)
        return text;
    char buffer[1 << 16];
    for (int count = 0; (count = gzread(file, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(count));
    gzclose(file);
    return text;
}

} // namespace

QString goldenPath(const QString &name)
{
    return QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/") + name;
}

std::shared_ptr<const engine::Tokenizer> goldenTokenizer(const QString &family)
{
    static std::map<QString, std::shared_ptr<const engine::Tokenizer>> loaded;
    if (const auto known = loaded.find(family); known != loaded.end())
        return known->second;
    const QString folder = goldenPath("tokenizers/" + family);
    QFile config(folder + "/tokenizer_config.json");
    if (!config.open(QIODevice::ReadOnly))
        return nullptr;
    auto tokenizer = engine::Tokenizer::fromJson(unpacked(folder + "/tokenizer.json.gz"), config.readAll().toStdString());
    if (!tokenizer.ok()) {
        qWarning() << tokenizer.error().message.c_str();
        return nullptr;
    }
    return loaded[family] = *tokenizer;
}
