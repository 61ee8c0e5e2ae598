/** Words of the map's moving layer. */
export const zhMap = {
  entrance: '入口',
  entrance_n: '{n} 人在内',
  map_rings: '距离圈（Q）',
  map_follow: '跟随所选单位（F）',
  following: '跟随 {who}',
  follow_stop: '停止跟随（F）',
  chosen_n: '已选 {n}',
  chosen_order: '下达命令',
  chosen_clear: '清除',
  map_gl_lost: '图形加速已中断，改用简易绘图',
  tip_accuracy: '误差 {m}',
  tip_accuracy_unknown: '误差未知',
  tip_inside: '进入 {age}',
} as const
