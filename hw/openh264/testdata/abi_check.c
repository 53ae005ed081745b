/* Compiled by a test: our declarations against the library's. */
#include <stddef.h>

#include <codec_api.h>

#include "abi.h"

#define SAME(ours, our_field, theirs, their_field) \
	_Static_assert(offsetof(struct ours, our_field) == offsetof(theirs, their_field), #ours "." #our_field ": offset"); \
	_Static_assert(sizeof(((struct ours *)0)->our_field) == sizeof(((theirs *)0)->their_field), #ours "." #our_field ": size")
#define SIZE(ours, theirs) _Static_assert(sizeof(struct ours) == sizeof(theirs), #ours ": size")
#define NUMBER(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)

SIZE(oh_slices, SSliceArgument);
SAME(oh_slices, mode, SSliceArgument, uiSliceMode);
SAME(oh_slices, count, SSliceArgument, uiSliceNum);
SAME(oh_slices, blocks, SSliceArgument, uiSliceMbNum);
SAME(oh_slices, max_bytes, SSliceArgument, uiSliceSizeConstraint);
SIZE(oh_layer, SSpatialLayerConfig);
SAME(oh_layer, width, SSpatialLayerConfig, iVideoWidth);
SAME(oh_layer, height, SSpatialLayerConfig, iVideoHeight);
SAME(oh_layer, fps, SSpatialLayerConfig, fFrameRate);
SAME(oh_layer, bitrate, SSpatialLayerConfig, iSpatialBitrate);
SAME(oh_layer, max_bitrate, SSpatialLayerConfig, iMaxSpatialBitrate);
SAME(oh_layer, profile, SSpatialLayerConfig, uiProfileIdc);
SAME(oh_layer, level, SSpatialLayerConfig, uiLevelIdc);
SAME(oh_layer, qp, SSpatialLayerConfig, iDLayerQp);
SAME(oh_layer, slices, SSpatialLayerConfig, sSliceArgument);
SAME(oh_layer, signal_present, SSpatialLayerConfig, bVideoSignalTypePresent);
SAME(oh_layer, video_format, SSpatialLayerConfig, uiVideoFormat);
SAME(oh_layer, full_range, SSpatialLayerConfig, bFullRange);
SAME(oh_layer, colour_present, SSpatialLayerConfig, bColorDescriptionPresent);
SAME(oh_layer, primaries, SSpatialLayerConfig, uiColorPrimaries);
SAME(oh_layer, transfer, SSpatialLayerConfig, uiTransferCharacteristics);
SAME(oh_layer, matrix, SSpatialLayerConfig, uiColorMatrix);
SAME(oh_layer, aspect_present, SSpatialLayerConfig, bAspectRatioPresent);
SAME(oh_layer, aspect, SSpatialLayerConfig, eAspectRatio);
SAME(oh_layer, aspect_width, SSpatialLayerConfig, sAspectRatioExtWidth);
SAME(oh_layer, aspect_height, SSpatialLayerConfig, sAspectRatioExtHeight);
SIZE(oh_parameters, SEncParamExt);
SAME(oh_parameters, usage, SEncParamExt, iUsageType);
SAME(oh_parameters, width, SEncParamExt, iPicWidth);
SAME(oh_parameters, height, SEncParamExt, iPicHeight);
SAME(oh_parameters, bitrate, SEncParamExt, iTargetBitrate);
SAME(oh_parameters, rate_control, SEncParamExt, iRCMode);
SAME(oh_parameters, max_fps, SEncParamExt, fMaxFrameRate);
SAME(oh_parameters, temporal_layers, SEncParamExt, iTemporalLayerNum);
SAME(oh_parameters, spatial_layers, SEncParamExt, iSpatialLayerNum);
SAME(oh_parameters, layer, SEncParamExt, sSpatialLayers);
SAME(oh_parameters, complexity, SEncParamExt, iComplexityMode);
SAME(oh_parameters, intra_period, SEncParamExt, uiIntraPeriod);
SAME(oh_parameters, reference_frames, SEncParamExt, iNumRefFrame);
SAME(oh_parameters, id_strategy, SEncParamExt, eSpsPpsIdStrategy);
SAME(oh_parameters, prefix_nal, SEncParamExt, bPrefixNalAddingCtrl);
SAME(oh_parameters, ssei, SEncParamExt, bEnableSSEI);
SAME(oh_parameters, simulcast, SEncParamExt, bSimulcastAVC);
SAME(oh_parameters, padding, SEncParamExt, iPaddingFlag);
SAME(oh_parameters, cabac, SEncParamExt, iEntropyCodingModeFlag);
SAME(oh_parameters, frame_skip, SEncParamExt, bEnableFrameSkip);
SAME(oh_parameters, max_bitrate, SEncParamExt, iMaxBitrate);
SAME(oh_parameters, max_qp, SEncParamExt, iMaxQp);
SAME(oh_parameters, min_qp, SEncParamExt, iMinQp);
SAME(oh_parameters, max_nal, SEncParamExt, uiMaxNalSize);
SAME(oh_parameters, long_term, SEncParamExt, bEnableLongTermReference);
SAME(oh_parameters, long_term_count, SEncParamExt, iLTRRefNum);
SAME(oh_parameters, long_term_period, SEncParamExt, iLtrMarkPeriod);
SAME(oh_parameters, threads, SEncParamExt, iMultipleThreadIdc);
SAME(oh_parameters, load_balancing, SEncParamExt, bUseLoadBalancing);
SAME(oh_parameters, loop_filter, SEncParamExt, iLoopFilterDisableIdc);
SAME(oh_parameters, loop_filter_alpha, SEncParamExt, iLoopFilterAlphaC0Offset);
SAME(oh_parameters, loop_filter_beta, SEncParamExt, iLoopFilterBetaOffset);
SAME(oh_parameters, denoise, SEncParamExt, bEnableDenoise);
SAME(oh_parameters, background, SEncParamExt, bEnableBackgroundDetection);
SAME(oh_parameters, adaptive_quant, SEncParamExt, bEnableAdaptiveQuant);
SAME(oh_parameters, cropping, SEncParamExt, bEnableFrameCroppingFlag);
SAME(oh_parameters, scene_change, SEncParamExt, bEnableSceneChangeDetect);
SAME(oh_parameters, lossless_link, SEncParamExt, bIsLosslessLink);
SAME(oh_parameters, fix_overshoot, SEncParamExt, bFixRCOverShoot);
SAME(oh_parameters, idr_bitrate_ratio, SEncParamExt, iIdrBitrateRatio);
SIZE(oh_picture, SSourcePicture);
SAME(oh_picture, format, SSourcePicture, iColorFormat);
SAME(oh_picture, stride, SSourcePicture, iStride);
SAME(oh_picture, plane, SSourcePicture, pData);
SAME(oh_picture, width, SSourcePicture, iPicWidth);
SAME(oh_picture, height, SSourcePicture, iPicHeight);
SAME(oh_picture, time, SSourcePicture, uiTimeStamp);
SIZE(oh_nals, SLayerBSInfo);
SAME(oh_nals, temporal, SLayerBSInfo, uiTemporalId);
SAME(oh_nals, spatial, SLayerBSInfo, uiSpatialId);
SAME(oh_nals, quality, SLayerBSInfo, uiQualityId);
SAME(oh_nals, frame_type, SLayerBSInfo, eFrameType);
SAME(oh_nals, layer_type, SLayerBSInfo, uiLayerType);
SAME(oh_nals, sub_sequence, SLayerBSInfo, iSubSeqId);
SAME(oh_nals, count, SLayerBSInfo, iNalCount);
SAME(oh_nals, lengths, SLayerBSInfo, pNalLengthInByte);
SAME(oh_nals, bytes, SLayerBSInfo, pBsBuf);
SIZE(oh_unit, SFrameBSInfo);
SAME(oh_unit, count, SFrameBSInfo, iLayerNum);
SAME(oh_unit, layer, SFrameBSInfo, sLayerInfo);
SAME(oh_unit, frame_type, SFrameBSInfo, eFrameType);
SAME(oh_unit, bytes, SFrameBSInfo, iFrameSizeInBytes);
SAME(oh_unit, time, SFrameBSInfo, uiTimeStamp);
SIZE(oh_bitrate, SBitrateInfo);
SAME(oh_bitrate, layer, SBitrateInfo, iLayer);
SAME(oh_bitrate, bitrate, SBitrateInfo, iBitrate);
SIZE(oh_version, OpenH264Version);
SAME(oh_version, major, OpenH264Version, uMajor);
SAME(oh_version, minor, OpenH264Version, uMinor);
SAME(oh_version, revision, OpenH264Version, uRevision);
SAME(oh_version, reserved, OpenH264Version, uReserved);
SAME(oh_calls, initialize, ISVCEncoderVtbl, Initialize);
SAME(oh_calls, initialize_ext, ISVCEncoderVtbl, InitializeExt);
SAME(oh_calls, defaults, ISVCEncoderVtbl, GetDefaultParams);
SAME(oh_calls, uninitialize, ISVCEncoderVtbl, Uninitialize);
SAME(oh_calls, encode, ISVCEncoderVtbl, EncodeFrame);
SAME(oh_calls, parameter_sets, ISVCEncoderVtbl, EncodeParameterSets);
SAME(oh_calls, force_intra, ISVCEncoderVtbl, ForceIntraFrame);
SAME(oh_calls, set_option, ISVCEncoderVtbl, SetOption);
SAME(oh_calls, get_option, ISVCEncoderVtbl, GetOption);
NUMBER(OH_USAGE_CAMERA_REAL_TIME, CAMERA_VIDEO_REAL_TIME);
NUMBER(OH_RC_BITRATE, RC_BITRATE_MODE);
NUMBER(OH_PROFILE_BASELINE, PRO_BASELINE);
NUMBER(OH_SLICE_SINGLE, SM_SINGLE_SLICE);
NUMBER(OH_ID_CONSTANT, CONSTANT_ID);
NUMBER(OH_FORMAT_I420, videoFormatI420);
NUMBER(OH_FRAME_IDR, videoFrameTypeIDR);
NUMBER(OH_FRAME_SKIP, videoFrameTypeSkip);
NUMBER(OH_LAYERS_ALL, SPATIAL_LAYER_ALL);
NUMBER(OH_COLOUR_UNSPECIFIED, VF_UNDEF);
NUMBER(OH_COLOUR_BT601, CP_SMPTE170M);
NUMBER(OH_COLOUR_BT601, TRC_SMPTE170M);
NUMBER(OH_COLOUR_BT601, CM_SMPTE170M);
NUMBER(OH_LOG_QUIET, WELS_LOG_QUIET);
NUMBER(OH_OPTION_FORMAT, ENCODER_OPTION_DATAFORMAT);
NUMBER(OH_OPTION_IDR_INTERVAL, ENCODER_OPTION_IDR_INTERVAL);
NUMBER(OH_OPTION_FRAME_RATE, ENCODER_OPTION_FRAME_RATE);
NUMBER(OH_OPTION_BITRATE, ENCODER_OPTION_BITRATE);
NUMBER(OH_OPTION_TRACE_LEVEL, ENCODER_OPTION_TRACE_LEVEL);
