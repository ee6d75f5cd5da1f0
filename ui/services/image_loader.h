// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/image.h"

#include <QByteArray>
#include <QImage>
#include <QMetaType>
#include <QObject>
#include <QString>
#include <QThreadPool>

#include <memory>

namespace ui {

// A picture as the composer and the transcript hold it.
struct LoadedPicture {
    QString name;                               // file name, or empty when pasted
    std::shared_ptr<const engine::Image> image; // upright RGB for the engine
    QByteArray encoded;                         // the file as it was given: what storage keeps
    QString sha256;                             // hex, of `encoded`: the attachment's id
    QImage thumbnail;                           // at most 320 x 320, aspect kept
};

// Reads and decodes pictures away from the GUI thread, in a child process (never QImageReader: the bytes are
// untrusted). Every call ends in loaded or failed with its number.
class ImageLoader final : public QObject
{
    Q_OBJECT

public:
    explicit ImageLoader(QObject *parent = nullptr);
    ~ImageLoader() override; // waits for what runs; nothing is emitted after that

    quint64 loadFile(const QString &path);
    quint64 loadBytes(const QByteArray &encoded, const QString &name);
    quint64 loadPasted(const QImage &image); // from the clipboard, already decoded by Qt's own platform code

    // The whole picture for zooming; shares nothing with the engine's copy after the call.
    static QImage toQImage(const engine::Image &image);
    // Area-averaged, keeps the aspect, never enlarges.
    static QImage thumbnailOf(const engine::Image &image, int maxSide);

signals:
    void loaded(quint64 number, const ui::LoadedPicture &picture);
    void failed(quint64 number, const QString &name, const QString &sentence);

private:
    quint64 start(QByteArray encoded, const QString &path, const QString &name);

    QThreadPool m_pool;
    quint64 m_next = 1;
};

} // namespace ui

Q_DECLARE_METATYPE(ui::LoadedPicture)
