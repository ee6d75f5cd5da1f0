// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/model_library.h"

#include "engine/runtime.h"
#include "services/settings.h"

#include <QCoreApplication>
#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QFileInfo>

#include <algorithm>
#include <utility>

namespace ui {

namespace {
const QString kFourBit = QStringLiteral("q4_0");

// Of Settings::value
const QString kChoices = QStringLiteral("models/choices");
const QString kChosenInstead = QStringLiteral("instead"); // of this device of the settings
const QString kChosenDevice = QStringLiteral("device");
const QString kChosenLayers = QStringLiteral("layers");
const QString kChosenContext = QStringLiteral("context");
const QString kChosenPacking = QStringLiteral("packing");

constexpr qint64 kHashWholeBytes = 1'000'000'000;
constexpr qint64 kPieceBytes = 1 << 20;
constexpr int kPieces = 64; // of a larger file, spread evenly, first and last included

QStringList weightFiles(const QString &path)
{
    if (QFileInfo(path).isFile())
        return {path};
    QStringList files;
    const QDir folder(path);
    for (const QString &name : folder.entryList({QStringLiteral("*.safetensors")}, QDir::Files, QDir::Name))
        files += folder.filePath(name);
    return files;
}

QString hashWeights(const QString &path, const std::atomic<bool> &stopping)
{
    const QStringList files = weightFiles(path);
    qint64 total = 0;
    for (const QString &name : files)
        total += QFileInfo(name).size();
    const bool whole = total <= kHashWholeBytes;
    QCryptographicHash hash(QCryptographicHash::Sha256);
    for (const QString &name : files) {
        QFile file(name);
        if (stopping || !file.open(QIODevice::ReadOnly))
            return {};
        const qint64 size = file.size();
        hash.addData(QByteArray::number(size) + '\n');
        if (whole) {
            for (qint64 at = 0; at < size && !stopping; at += kPieceBytes)
                hash.addData(file.read(kPieceBytes));
            continue;
        }
        for (int piece = 0; piece < kPieces && !stopping; ++piece) {
            const qint64 room = std::max<qint64>(0, size - kPieceBytes);
            file.seek(room / (kPieces - 1) * piece);
            hash.addData(file.read(kPieceBytes));
        }
    }
    if (files.isEmpty() || stopping)
        return {};
    return QLatin1String(whole ? "sha256:" : "sample256:") + QString::fromLatin1(hash.result().toHex());
}
} // namespace

quint64 ModelEntry::memoryBytes(int contextTokens) const
{
    engine::LoadOptions options;
    options.contextTokens = contextTokens;
    options.requantize = requantize.toStdString();
    const auto plan = engine::planMemory(info, options);
    // What does not fit now needs at least its weights and one context of 16 bits.
    return plan ? plan->totalBytes() : info.weightBytes + quint64(std::max(0, contextTokens > 0 ? contextTokens : info.contextTokens)) * info.kvBytesPerToken;
}

QString ModelEntry::precisionName() const
{
    return requantize == kFourBit ? QStringLiteral("Q4_0") : QString::fromStdString(info.precision);
}

ModelLibrary::ModelLibrary(Settings &settings, QObject *parent) : QAbstractListModel(parent), m_settings(settings)
{
    refresh();
}

ModelLibrary::~ModelLibrary()
{
    m_stopping = true;
    m_pool.clear();
    m_pool.waitForDone();
}

QString ModelLibrary::weightsHash(const QString &key)
{
    const ModelEntry *entry = find(key);
    if (entry == nullptr || !entry->isUsable())
        return {};
    const auto known = m_hashes.constFind(entry->path);
    if (known != m_hashes.constEnd())
        return *known;
    m_hashes.insert(entry->path, {});
    m_pool.start([this, path = entry->path] {
        const QString hash = hashWeights(path, m_stopping);
        QMetaObject::invokeMethod(this, [this, path, hash] { m_hashes.insert(path, hash); }, Qt::QueuedConnection);
    });
    return {};
}

QString ModelLibrary::embeddedFolder()
{
    const QString wanted = QStringLiteral("mini-vl");
    QDir folder(QCoreApplication::applicationDirPath());
    const QString installed = folder.filePath(QStringLiteral("../share/diptych/models"));
    if (QFileInfo(installed + u'/' + wanted).isDir())
        return QDir::cleanPath(installed);
    for (int up = 0; up < 6; ++up) { // a build folder inside the source tree
        const QString candidate = folder.filePath(QStringLiteral("resources/models"));
        if (QFileInfo(candidate + u'/' + wanted).isDir())
            return QDir::cleanPath(candidate);
        if (!folder.cdUp())
            break;
    }
    const QString system = QStringLiteral("/usr/share/diptych/models");
    return QFileInfo(system + u'/' + wanted).isDir() ? system : QString();
}

int ModelLibrary::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(m_entries.size());
}

QVariant ModelLibrary::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const ModelEntry &entry = m_entries[index.row()];
    switch (role) {
    case Qt::DisplayRole:
    case NameRole: return entry.name;
    case Qt::ToolTipRole: return entry.problem.isEmpty() ? entry.path : entry.problem;
    case KeyRole: return entry.key;
    case UsableRole: return entry.isUsable();
    case ProblemRole: return entry.problem;
    case PrecisionRole: return entry.precisionName();
    case EmbeddedRole: return entry.embedded;
    default: return {};
    }
}

const ModelEntry *ModelLibrary::find(const QString &key) const
{
    const auto found = std::find_if(m_entries.begin(), m_entries.end(),
        [&](const ModelEntry &entry) { return entry.key == key; });
    return found == m_entries.end() ? nullptr : &*found;
}

QString ModelLibrary::nameOf(const QString &key) const
{
    const ModelEntry *entry = find(key);
    return entry != nullptr ? entry->name : QFileInfo(key).fileName();
}

QString ModelLibrary::defaultKey() const
{
    for (const ModelEntry &entry : m_entries)
        if (entry.isUsable())
            return entry.key;
    return m_entries.isEmpty() ? QString() : m_entries.first().key;
}

QString ModelLibrary::secondKey() const
{
    const QString first = defaultKey();
    const QString copy = first + u':' + kFourBit;
    return find(copy) != nullptr ? copy : first;
}

engine::LoadOptions ModelLibrary::loadOptions(const QString &key) const
{
    engine::LoadOptions options;
    const ModelEntry *entry = find(key);
    options.path = (entry != nullptr ? entry->path : key).toStdString();
    options.name = nameOf(key).toStdString();
    options.device = m_settings.device().toStdString();
    options.threads = m_settings.threads();
    if (entry != nullptr)
        options.requantize = entry->requantize.toStdString();
    const QVariantMap chosen = choice(key);
    if (!chosen.isEmpty()) {
        options.device = chosen.value(kChosenDevice).toString().toStdString();
        options.cardLayers = chosen.value(kChosenLayers).toInt();
        options.contextTokens = chosen.value(kChosenContext).toInt();
        options.requantize = chosen.value(kChosenPacking).toString().toStdString();
    }
    return options;
}

QVariantMap ModelLibrary::choice(const QString &key) const
{
    const QVariantMap chosen = m_settings.value(kChoices).toMap().value(key).toMap();
    return chosen.value(kChosenInstead).toString() == m_settings.device() ? chosen : QVariantMap();
}

bool ModelLibrary::hasChoice(const QString &key) const
{
    return !choice(key).isEmpty();
}

void ModelLibrary::setChoice(const QString &key, const engine::LoadOptions &choice)
{
    QVariantMap choices = m_settings.value(kChoices).toMap();
    choices.insert(key, QVariantMap{{kChosenInstead, m_settings.device()}, {kChosenDevice, QString::fromStdString(choice.device)},
        {kChosenLayers, choice.cardLayers}, {kChosenContext, choice.contextTokens},
        {kChosenPacking, QString::fromStdString(choice.requantize)}});
    m_settings.setValue(kChoices, choices);
    emit choiceChanged(key);
}

void ModelLibrary::forgetChoice(const QString &key)
{
    QVariantMap choices = m_settings.value(kChoices).toMap();
    if (choices.remove(key) == 0)
        return;
    m_settings.setValue(kChoices, choices);
    emit choiceChanged(key);
}

void ModelLibrary::inspect(ModelEntry &entry) const
{
    auto info = engine::inspectModel(entry.path.toStdString());
    entry.inspected = info.ok();
    entry.problem = info.ok() ? QString() : QString::fromStdString(info.error().message);
    entry.info = info.ok() ? std::move(info).value() : engine::ModelInfo();
}

engine::Result<QString> ModelLibrary::add(const QString &path)
{
    const QString clean = QFileInfo(path).absoluteFilePath();
    for (const ModelEntry &known : std::as_const(m_entries))
        if (known.path == clean)
            return known.key;
    ModelEntry entry;
    entry.key = clean;
    entry.path = clean;
    entry.name = clean.endsWith(QLatin1String(".gguf")) ? QFileInfo(clean).completeBaseName() : QFileInfo(clean).fileName();
    inspect(entry);
    if (!entry.isUsable())
        return engine::Error{engine::ErrorCode::BadFile, entry.problem.toStdString()};
    beginInsertRows({}, int(m_entries.size()), int(m_entries.size()));
    m_entries += entry;
    endInsertRows();
    save();
    emit entriesChanged();
    return entry.key;
}

void ModelLibrary::remove(const QString &key)
{
    for (int row = 0; row < m_entries.size(); ++row) {
        if (m_entries[row].key != key || m_entries[row].embedded)
            continue;
        beginRemoveRows({}, row, row);
        m_entries.removeAt(row);
        endRemoveRows();
        forgetChoice(key);
        save();
        emit entriesChanged();
        return;
    }
}

void ModelLibrary::refresh()
{
    QVector<ModelEntry> entries;
    const QString folder = embeddedFolder();
    const QStringList names = folder.isEmpty() ? QStringList{QStringLiteral("mini-vl")}
                                               : QDir(folder).entryList({QStringLiteral("mini-*")}, QDir::Dirs, QDir::Name);
    QStringList ordered = names;
    std::stable_partition(ordered.begin(), ordered.end(), [](const QString &name) { return name == u"mini-vl"; });
    for (const QString &name : std::as_const(ordered)) {
        ModelEntry entry;
        entry.key = name;
        entry.name = name;
        entry.path = folder + u'/' + name;
        entry.embedded = true;
        if (folder.isEmpty())
            entry.problem = tr("The model that comes with Diptych is missing; install Diptych again.");
        else
            inspect(entry);
        entries += entry;
        if (name == u"mini-vl") { // the first thing to compare it with
            entry.key += u':' + kFourBit;
            entry.name = tr("%1 4-bit").arg(name);
            entry.requantize = kFourBit;
            entries += entry;
        }
    }
    const QStringList added = m_settings.addedModels();
    for (const QString &path : added) {
        ModelEntry entry;
        entry.key = path;
        entry.path = path;
        entry.name = path.endsWith(QLatin1String(".gguf")) ? QFileInfo(path).completeBaseName() : QFileInfo(path).fileName();
        inspect(entry);
        entries += entry;
    }
    beginResetModel();
    m_entries = std::move(entries);
    endResetModel();
    emit entriesChanged();
}

void ModelLibrary::save() const
{
    QStringList paths;
    for (const ModelEntry &entry : m_entries)
        if (!entry.embedded)
            paths += entry.path;
    m_settings.setAddedModels(paths);
}

} // namespace ui
