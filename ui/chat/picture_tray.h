// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "services/image_loader.h"

#include <QVector>
#include <QWidget>

class QHBoxLayout;

namespace ui {

// The pictures of the next question: thumbnails that can be taken out again, with a place for each one still read.
class PictureTray final : public QWidget
{
    Q_OBJECT

public:
    explicit PictureTray(QWidget *parent = nullptr);

    void addPending(quint64 number);
    void setLoaded(quint64 number, const LoadedPicture &picture); // a number not pending is ignored
    void dropPending(quint64 number);
    void setPictures(const QVector<LoadedPicture> &pictures);
    void clear();
    [[nodiscard]] bool isPending(quint64 number) const;
    [[nodiscard]] bool isReading() const;
    [[nodiscard]] int count() const { return static_cast<int>(m_entries.size()); }
    [[nodiscard]] QVector<LoadedPicture> pictures() const;

signals:
    void changed();
    void pictureActivated(int index);

private:
    struct Entry {
        quint64 number = 0; // 0: loaded
        LoadedPicture picture;
    };
    void rebuild();

    QVector<Entry> m_entries;
    QHBoxLayout *m_row;
};

} // namespace ui
